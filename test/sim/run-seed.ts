/**
 * One run: faults for a while, then the cluster heals and must make progress, deliver everything that is stored, and end
 * with replicas that are equal byte for byte. The same seed, swarm and faults give the same trace hash.
 */
import type { GroupId } from '../../src/base/ids.ts'
import { END } from '../../src/broker/dispatcher/windows/window.ts'
import type { StoredGroupState } from '../../src/storage/state/group-state.ts'
import type { Store } from '../../src/views/view.ts'
import { Random } from '../raft/simulation/random.ts'
import { flush } from '../views/flushed.ts'
import { valueIn } from './clients.ts'
import { drawFaultEvents, type FaultEvent } from './fault-events.ts'
import { Faults } from './faults.ts'
import type { SimHandle } from './machine.ts'
import type { Finding } from './raft-checker.ts'
import { checkSleepers } from './sleepers.ts'
import { drawSwarm, type Swarm, type SwarmOptions } from './swarm.ts'
import { World } from './world.ts'

/** All that a run depends on. */
export interface Plan {
  readonly seed: number
  readonly swarm: Swarm
  readonly events: readonly FaultEvent[]
}

export interface RunResult {
  readonly finding: Finding | undefined
  readonly traceHash: string
  readonly stored: number
  readonly acked: number
  readonly committed: number
  /** The newest notes, if asked for. */
  readonly trace: readonly string[]
}

const SLICE_MS = 100
/** For everything to be delivered once the faults are over; leases and graces must run out first. */
const HEAL_MS = 90_000
const DRAIN_MS = 600_000
const ROWS_MAX = 1_000_000

export function planOf(seed: number, options: SwarmOptions = {}): Plan {
  const root = new Random(seed)
  const swarm = drawSwarm(root.split(), options)
  return { seed, swarm, events: drawFaultEvents(root.split(), swarm) }
}

export async function runPlan(plan: Plan, print = false): Promise<RunResult> {
  const world = new World(plan.seed, plan.swarm, print)
  const faults = new Faults(world, plan.events)
  world.start()
  await until(world, plan.swarm.faultMs, () => false)
  if (world.checker.finding === undefined) await heal(world, faults)
  const { stored, acked } = world.books
  const committed = world.partitions.reduce((sum, group) => sum + world.checker.committed(group), 0)
  const { finding } = world.checker
  return { finding, traceHash: world.trace.hash, stored, acked, committed, trace: world.trace.last }
}

/** Lets time pass until `done`, `ms` are over or something is found; false: it was not done. */
async function until(world: World, ms: number, done: () => boolean): Promise<boolean> {
  const endMs = world.time.nowMs + ms
  while (world.time.nowMs < endMs && world.checker.finding === undefined) {
    if (done()) return true
    await world.time.run(Math.min(SLICE_MS, endMs - world.time.nowMs))
  }
  return done()
}

async function heal(world: World, faults: Faults): Promise<void> {
  faults.heal()
  world.calm = true
  for (const producer of world.producers) producer.stop()
  const drained = await drain(world)
  if (!drained) world.fail('stuck', `not everything is delivered ${HEAL_MS} ms after the faults: ${describe(world)}`)
  if (drained) await even(world)
  if (world.checker.finding === undefined) await checkSleepers(world, until)
  if (world.checker.finding === undefined) await even(world)
  for (const group of world.partitions) if (world.checker.finding === undefined) await checkGroup(world, group)
}

/** Slow is not stuck: what counts is the time since the last acknowledgement, within a bound. */
async function drain(world: World): Promise<boolean> {
  const endMs = world.time.nowMs + DRAIN_MS
  let acked = -1
  while (world.books.acked > acked && world.time.nowMs < endMs) {
    acked = world.books.acked
    if (await until(world, HEAL_MS, () => isDrained(world))) return true
  }
  return false
}

async function even(world: World): Promise<void> {
  if (await until(world, HEAL_MS, () => isEven(world))) return
  world.fail('stuck', `not everybody has applied everything: ${describe(world)}`)
}

function isDrained(world: World): boolean {
  if (world.moves.busy || world.producers.some(({ idle }) => !idle)) return false
  return world.partitions.every((partition) => {
    const view = world.leader(partition)?.handle(partition)?.view
    if (view === undefined) return false
    return world.swarm.groups.every((group) => {
      const state = view.group({ channel: 'master', group })
      return view.lastIndex === 0 || (state?.leased === 0 && state.waiting === 0 && state.pending === 0)
    })
  })
}

/** Every replica has applied what is committed, and nothing is under way. */
function isEven(world: World): boolean {
  return world.partitions.every((group) => {
    const handles = replicas(world, group)
    const { commit, applied } = handles[0]?.status() ?? { commit: -1, applied: 0 }
    const all = handles.length === world.moves.members(group).length
    return all && handles.every((each) => each.status().commit === commit && each.status().applied === applied)
  })
}

function replicas(world: World, group: GroupId): SimHandle[] {
  return world.machines.flatMap((machine) => machine.handle(group) ?? [])
}

async function checkGroup(world: World, group: GroupId): Promise<void> {
  let first: readonly string[] | undefined
  for (const machine of world.machines) {
    const handle = machine.handle(group)
    if (handle === undefined) continue
    const { view, reader } = handle
    const name = `node ${machine.id}`
    const range = { after: { due: 0, index: 0 }, to: END }
    const messages = await world.time.during(view.scan(reader, 'master', range, ROWS_MAX, ROWS_MAX * 1000))
    const stored = messages.map(({ due, index, body }) => ({ due, index, value: valueIn(body) }))
    world.books.checkStored(group, name, stored)
    for (const each of world.swarm.groups)
      world.books.checkDelivered(
        group,
        each,
        stored.map(({ value }) => value),
      )
    if (!('put' in reader && 'idle' in reader)) throw new Error('what a replica reads is its state')
    const state = reader as typeof reader & Store & Pick<StoredGroupState, 'idle'>
    // What a checkpoint has taken from the view is on its way to the rows.
    await world.time.during(state.idle())
    flush(view, state)
    const found = await world.time.during(reader.scan({ gte: '', lt: '\xff' }, ROWS_MAX))
    const rows = found.map(({ key, value }) => `${hex(key)} ${Buffer.from(value).toString('hex')}`)
    first ??= rows
    const differs = rows.findIndex((row, at) => row !== first?.[at])
    if (rows.length !== first.length || differs >= 0) {
      const at = Math.max(0, differs)
      world.fail(
        'replicasDiffer',
        `group ${group}, ${name}: ${rows.length} rows, ${rows[at]} against ${first.length}, ${first[at]}`,
      )
    }
  }
}

function hex(key: string): string {
  return Buffer.from(key, 'latin1').toString('hex')
}

function describe(world: World): string {
  return world.partitions
    .map((group) => {
      const nodes = world.machines.map((machine) => {
        const status = machine.handle(group)?.status()
        if (status === undefined) return `${machine.id} none`
        const { role, ready, term, commit, applied } = status
        return `${machine.id} ${role}${ready ? '!' : ''} term ${term} commit ${commit} applied ${applied}`
      })
      const view = world.leader(group)?.handle(group)?.view
      const groups = world.swarm.groups.map((name) => {
        const state = view?.group({ channel: 'master', group: name })
        return `${name}: ${state?.leased} leased ${state?.waiting} waiting ${state?.pending} pending`
      })
      return `\n  ${group}: ${nodes.join(', ')}; ${groups.join(', ')}`
    })
    .join('')
    .concat(`\n  producers idle: ${world.producers.map(({ idle }) => idle).join()}, moving: ${world.moves.busy}`)
}
