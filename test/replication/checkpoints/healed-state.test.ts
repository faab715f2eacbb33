/** What a state needs of its log once a snapshot has healed it, by the real log: it may be an older one than it had itself. */
import { expect, test } from 'vitest'
import type { GroupId } from '../../../src/base/ids.ts'
import type { LoggedNode } from '../logged-node.ts'
import { LoggedWorld } from '../logged-world.ts'

const KIB = 1024
const GROUP: GroupId = 1
const SEGMENT = { segmentBytes: 8 * KIB, retainBytes: 64 * KIB, checkpointMs: 5 }
const happened = (node: LoggedNode, type: string) => node.events.filter((event) => event.type === type).length
const saved = (node: LoggedNode) => node.events.findLast((event) => event.type === 'checkpointed')?.index ?? 0

/** The last node saves its state more often than the others. */
async function running(checkpointMs = 5): Promise<{ world: LoggedWorld; leader: LoggedNode; node: LoggedNode }> {
  const own = (id: number) =>
    id === 3 ? { checkpointMs, limits: { checkpointLogBytes: 4 * KIB } } : { limits: { checkpointLogBytes: 10 * KIB } }
  const world = new LoggedWorld(3, SEGMENT, own)
  await world.boot()
  await world.time.during(world.start(GROUP))
  const [leader, , node] = world.nodes
  if (leader === undefined || node === undefined || (await world.leader(GROUP)) !== leader)
    throw new Error('the first leads')
  return { world, leader, node }
}

async function writeMore(world: LoggedWorld, node: LoggedNode, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; left -= 1000) expect(await world.propose(node, GROUP, 1000)).toBe('applied')
}

test('a state healed by an older snapshot than it had itself finds the log behind it after a crash', async () => {
  const { world, leader, node } = await running()
  // The leader's snapshot is older than what the node has saved, and still reaches its log.
  const mayHeal = () => saved(leader) > (node.wal.group(GROUP)?.base.index ?? 0) && saved(leader) < saved(node)
  await writeMore(world, leader, 30 * KIB)
  do {
    await writeMore(world, leader, KIB)
    await world.time.run(50)
  } while (!mayHeal())
  node.checkpointsFail = true
  node.breakState('a row is damaged')
  await world.time.until(() => happened(node, 'snapshotInstalled') === 1, 10_000, 'healing')
  const installed = node.events.find((event) => event.type === 'snapshotInstalled')
  expect(installed?.index).toBeLessThan(saved(node))
  // So much that segments go which hold what is behind the snapshot.
  await writeMore(world, leader, 80 * KIB)
  await world.time.run(2000)
  node.checkpointsFail = false
  node.kill()
  node.events.length = 0
  const handle = await world.restart(node, GROUP)
  const { commit } = leader.multi.handle(GROUP)?.status() ?? { commit: 0 }
  await world.time.until(() => handle.status().applied >= commit, 30_000, 'all to be applied')
  expect([happened(node, 'stateDamaged'), happened(node, 'snapshotInstalled')]).toEqual([0, 0])
  expect(node.fatal).toEqual([])
})

test('while its state is lost a replica keeps its log as it is, whatever checkpoint was on its way', async () => {
  const { world, leader, node } = await running(400)
  for (let i = 0; i < 40; i++) {
    await writeMore(world, leader, KIB)
    await world.time.run(50)
  }
  let gone = false
  world.network.onChunk = () => {
    if (gone) throw new Error('no snapshot gets through')
  }
  gone = true
  node.breakState('a row is damaged')
  await world.time.until(() => happened(node, 'stateDamaged') === 1)
  const { base } = node.wal.group(GROUP) ?? {}
  expect(base?.index).toBeLessThan(saved(node))
  await writeMore(world, leader, 80 * KIB)
  await world.time.run(2000)
  expect(node.wal.group(GROUP)?.base).toEqual(base)
  gone = false
  await world.time.until(() => happened(node, 'snapshotInstalled') === 1, 10_000, 'healing')
  await writeMore(world, leader, 80 * KIB)
  await world.time.run(2000)
  expect(node.wal.group(GROUP)?.base.index).toBeGreaterThan(base?.index ?? 0)
  expect(node.fatal).toEqual([])
})
