/** What goes on beside a snapshot on its way: other groups, and changes of membership. */
import { expect, test } from 'vitest'
import { decodeSnapshotHeader, type SnapshotHeader } from '../../src/replication/frame/frame.ts'
import { Cluster, GROUP, type Node } from './cluster.ts'
import { text } from './list-view.ts'

const OTHER = 8
/** How often a node looks after its replicas. */
const LOOK_MS = 1000
const LIMITS = { checkpointBytes: 4000, walRetainBytes: 1000, snapshotChunkBytes: 2000 }
const long = (i: number) => `${i}-${'x'.repeat(500)}`

interface Behind {
  readonly cluster: Cluster
  readonly leader: Node
  readonly follower: Node
  readonly third: Node
}

/** A follower that was away while the leader released the log it needs. */
async function behind(): Promise<Behind> {
  const cluster = await Cluster.start({ limits: LIMITS })
  const leader = await cluster.leader()
  const [follower, third] = cluster.others(leader)
  if (follower === undefined || third === undefined) throw new Error('three nodes')
  follower.crash()
  for (let i = 0; i < 40; i++) await cluster.propose(leader, long(i))
  await cluster.time.run(100)
  return { cluster, leader, follower, third }
}

/** Snapshots to `node` stand at their first chunk, as on a disk that does not answer, before `go`. */
function holdInstalls(node: Node): { begun: () => boolean; go: () => void } {
  let begun = false
  let go: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    go = resolve
  })
  node.beforeChunk = () => {
    begun = true
    return held
  }
  return { begun: () => begun, go: () => go() }
}

const checkpoints = (node: Node, group: number) =>
  node.events.filter((event) => event.type === 'checkpointed' && event.group === group).length
const installed = (node: Node) => node.events.some(({ type }) => type === 'snapshotInstalled')

test('a snapshot that stands still on its receiver delays neither commits nor checkpoints of other groups there', async () => {
  const all = await behind()
  const { cluster, follower, third } = all
  for (const node of cluster.nodes) if (node !== follower) await cluster.time.during(node.start(OTHER))
  await follower.restart(OTHER)
  const hold = holdInstalls(follower)
  await cluster.time.during(follower.start())
  await cluster.time.until(hold.begun, 20_000)
  const leads = (node: Node) => node.multi.handle(OTHER)?.status().ready === true
  await cluster.time.until(() => cluster.nodes.some(leads))
  const other = cluster.nodes.find(leads)
  if (other === undefined || other === follower) throw new Error('the first replica leads')
  // From here on nothing commits without the receiver's fdatasync.
  const [spare] = [third, all.leader].filter((node) => node !== other)
  spare?.crash()
  const commitMs = async () => {
    const fromMs = cluster.time.nowMs
    let answered = false
    const commands = Array.from({ length: 4 }, (_, i) => text(long(i)))
    const done = ({ type }: { readonly type: string }) => {
      answered = type === 'applied'
    }
    other.multi.handle(OTHER)?.propose({ at: other.env.wallMs(), commands, done })
    await cluster.time.until(() => answered, 5000, 'a commit of the other group')
    return cluster.time.nowMs - fromMs
  }
  const during: number[] = []
  for (let i = 0; i < 10; i++) during.push(await commitMs())
  await cluster.time.until(() => checkpoints(follower, OTHER) > 2, 2000, 'checkpoints of the other group')
  expect(installed(follower)).toBe(false)
  hold.go()
  await cluster.time.until(() => installed(follower), 20_000)
  await cluster.time.run(1000)
  const after: number[] = []
  for (let i = 0; i < 10; i++) after.push(await commitMs())
  expect(during).toEqual(after)
})

test('a snapshot and a checkpoint hold the configuration at their index, not a change that is not committed', async () => {
  const { cluster, leader, follower, third } = await behind()
  const headers: SnapshotHeader[] = []
  await cluster.propose(leader, 'applied since the last checkpoint')
  // Close before the next look, which asks for the checkpoint: a leader without a quorum does not stay one for long.
  await cluster.time.run(LOOK_MS - 60 - (cluster.time.nowMs % LOOK_MS))
  cluster.network.isolate(third.id, [leader.id])
  const before = leader.handle.status().applied
  const outcomes: string[] = []
  const learner = { replica: 40, node: 4 }
  const change = { steps: [{ type: 'addLearner', replica: 40 } as const], added: [learner] }
  leader.multi.changeMembers(GROUP, change, ({ type }) => outcomes.push(type))
  await cluster.time.run(50)
  expect(leader.wal.group(GROUP)?.lastIndex()).toBe(before + 1)
  leader.wal.lagging = [GROUP]
  const state = await cluster.time.during(leader.state.group(GROUP))
  await cluster.time.until(() => state.meta?.applied === before, 2000, 'a checkpoint')
  expect(state.meta?.confState).toMatchObject({ voters: [10, 20, 30], learners: [] })

  await follower.restart()
  const receive = follower.multi.snapshot.bind(follower.multi)
  follower.multi.snapshot = (from, header, chunks) => {
    headers.push(decodeSnapshotHeader(header))
    return receive(from, header, chunks)
  }
  await cluster.time.until(() => installed(follower), 20_000)
  expect(headers.map(({ snapshot }) => snapshot)).toMatchObject([
    { index: before, confState: { voters: [10, 20, 30], learners: [] } },
  ])
  // The receiver's word commits the change, and it takes it from the log as everybody does.
  await cluster.time.until(() => outcomes.length > 0, 5000)
  cluster.network.heal()
  await cluster.settled()
  expect(outcomes).toEqual(['applied'])
  for (const { handle } of cluster.nodes) expect(handle.members).toContainEqual(learner)
})
