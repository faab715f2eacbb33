/**
 * The promise of sleeping groups, asked of a whole cluster once its faults are over: a sleeper takes a proposal at once,
 * and a leader lost while everybody sleeps is replaced within bounds, whether its death is noticed or not.
 */
import type { GroupId } from '../../src/base/ids.ts'
import { DEFAULT_TIMING } from '../../src/replication/options.ts'
import type { World } from './world.ts'

type Until = (world: World, ms: number, done: () => boolean) => Promise<boolean>

const { electionMs } = DEFAULT_TIMING
/** Streams ask every 500 ms and let a group with a shorter idle time sleep in between. */
const IDLE_MS_MAX = 300
const ASLEEP_MS = 30_000
/** A proposal to a leader in its sleep: one round, and a slow disk. */
const COMMIT_ELECTIONS = 3
/** Silence, a random timeout, and a second try should the first have been split; then the new leader's first entry. */
const FAILOVER_ELECTIONS = 12
/** The one that led does not come back before that. */
const AWAY_MS = 15 * electionMs

/** Fails the world where a sleeper wakes too late or not at all. */
export async function checkSleepers(world: World, until: Until): Promise<void> {
  const { idleMs = 0 } = world.swarm
  if (idleMs === 0 || idleMs > IDLE_MS_MAX) return
  for (const group of world.partitions) {
    // By now placement has told everybody where the replicas are: a snapshot carries a configuration without places.
    for (const { process } of world.machines) process?.multi?.setMembers(group, world.everybody(group))
    if (!(await until(world, ASLEEP_MS, () => sleeps(world, group)))) {
      world.fail('sleepless', `group ${group} is idle for ${ASLEEP_MS} ms and does not sleep`)
    }
    await checkProposal(world, until, group, COMMIT_ELECTIONS)
    if (!(await until(world, ASLEEP_MS, () => sleeps(world, group)))) return
    world.leader(group)?.end('kill', AWAY_MS)
    await checkProposal(world, until, group, FAILOVER_ELECTIONS)
  }
}

/** On every node of the group all replicas sleep. */
function sleeps(world: World, group: GroupId): boolean {
  const machines = world.machines.filter((machine) => machine.handle(group) !== undefined)
  return machines.length === world.moves.members(group).length && machines.every(({ process }) => allSleep(process))
}

function allSleep(process: World['machines'][number]['process']): boolean {
  const stats = process?.multi?.stats()
  return stats !== undefined && stats.quiesced === stats.groups
}

/** An entry without commands is proposed again and again, to whoever leads, until one is applied. */
async function checkProposal(world: World, until: Until, group: GroupId, elections: number): Promise<void> {
  if (world.checker.finding !== undefined) return
  const ms = elections * electionMs
  let applied = false
  let waiting = false
  const done = await until(world, ms, () => {
    const handle = world.leader(group)?.handle(group)
    if (handle === undefined || waiting) return applied
    waiting = true
    handle.propose({
      at: handle.status().lastAt,
      commands: [],
      done: ({ type }) => {
        waiting = false
        applied ||= type === 'applied'
      },
    })
    return applied
  })
  if (!done) world.fail('asleep', `a proposal to sleeping group ${group} is not applied after ${ms} ms`)
}
