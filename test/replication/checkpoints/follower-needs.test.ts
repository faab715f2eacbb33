/** What a leader keeps of its log for whom it sends a snapshot to, by the real log. */
import { describe, expect, test } from 'vitest'
import type { GroupId } from '../../../src/base/ids.ts'
import { PeerProgress } from '../../../src/raft/progress.ts'
import { viewProgress } from '../../../src/raft/progress-view.ts'
import { FollowerNeeds } from '../../../src/replication/checkpoints/follower-needs.ts'
import { VirtualTime } from '../../virtual-env.ts'
import type { ListHandle } from '../cluster.ts'
import type { LoggedNode, LoggedSettings } from '../logged-node.ts'
import { LoggedWorld } from '../logged-world.ts'
import { MemoryLogDisk, MemoryWal } from '../memory-wal.ts'

const KIB = 1024
const GROUP: GroupId = 1
const RETAIN = 64 * KIB
/** More than that lies behind the follower when it comes back, so that it gets a snapshot: of 200 KiB, in 20 s. */
const MISSED = 200 * KIB
const SETTINGS: LoggedSettings = {
  ...{ segmentBytes: 8 * KIB, retainBytes: RETAIN, checkpointMs: 5 },
  limits: { checkpointLogBytes: 16 * KIB, snapshotBytesPerSecond: 10 * KIB, snapshotChunkBytes: 4 * KIB },
}
const happened = (node: LoggedNode, type: string) => node.events.filter((event) => event.type === type).length

interface Behind {
  readonly world: LoggedWorld
  readonly leader: LoggedNode
  readonly follower: LoggedNode
  readonly handle: ListHandle
}

/** A follower to which a snapshot has begun to come. */
async function behind(): Promise<Behind> {
  const world = new LoggedWorld(3, SETTINGS)
  await world.boot()
  await world.time.during(world.start(GROUP))
  const leader = await world.leader(GROUP)
  const [follower] = world.nodes.filter((node) => node !== leader)
  if (follower === undefined) throw new Error('no follower')
  follower.kill()
  for (let left = MISSED; left > 0; left -= KIB) expect(await world.propose(leader, GROUP, KIB)).toBe('applied')
  await world.time.run(1500)
  const handle = await world.restart(follower, GROUP)
  await world.time.until(() => happened(follower, 'snapshotBegun') > 0, 5000, 'a snapshot')
  return { world, leader, follower, handle }
}

/** `bytes` a second, for `seconds` or until `enough`. */
async function writing({ world, leader }: Behind, bytes: number, seconds: number, enough = () => false): Promise<void> {
  for (let i = 0; i < seconds * 2 && !enough(); i++) {
    expect(await world.propose(leader, GROUP, bytes / 2)).toBe('applied')
    await world.time.run(500)
  }
}

const commit = (node: LoggedNode) => node.multi.handle(GROUP)?.status().commit ?? 0
/** As when nothing is kept for a snapshot, whatever lies in segments that are not whole. */
const usual = (node: LoggedNode) => node.wal.stats().bytes < RETAIN + 3 * 8 * KIB

describe('a snapshot during which more is written than is retained', () => {
  test('is the only one: the log behind it is there when it has come, and until its receiver has caught up', async () => {
    const all = await behind()
    const { world, leader, follower, handle } = all
    const arrived = () => happened(follower, 'snapshotInstalled') > 0
    const before = leader.logged.at(-1)?.bytes ?? 0
    await writing(all, 6 * KIB, 60, arrived)
    expect(arrived()).toBe(true)
    expect((leader.logged.at(-1)?.bytes ?? 0) - before).toBeGreaterThan(2 * RETAIN)
    const caughtUp = () => handle.status().applied >= commit(leader) - 1
    await writing(all, 6 * KIB, 30, caughtUp)
    expect([happened(leader, 'snapshotSent'), caughtUp()]).toEqual([1, true])
    await writing(all, 6 * KIB, 5)
    await world.time.run(3000)
    expect([usual(leader), happened(leader, 'snapshotOutrun')]).toEqual([true, 0])
  })

  test('that is more than four times as much goes on; the log is released and that is told, and another one follows', async () => {
    const all = await behind()
    const { world, leader, follower, handle } = all
    await writing(all, 40 * KIB, 15)
    expect(happened(leader, 'snapshotOutrun')).toBe(1)
    expect(happened(follower, 'snapshotInstalled')).toBe(0)
    expect(usual(leader)).toBe(true)
    await world.time.until(() => handle.status().applied >= commit(leader), 300_000, 'all to be applied')
    expect([happened(leader, 'snapshotSent'), happened(leader, 'snapshotOutrun')]).toEqual([2, 1])
    world.expectBound(1, 1000, 0, 4)
  })
})

describe('nothing is kept any more for a receiver', () => {
  const kept = ({ leader }: Behind) => leader.wal.stats().bytes > 2 * RETAIN

  async function keeping(): Promise<Behind> {
    const all = await behind()
    await writing(all, 14 * KIB, 9)
    expect(kept(all)).toBe(true)
    return all
  }

  test('whose process is gone', async () => {
    const all = await keeping()
    all.follower.kill()
    await writing(all, KIB, 2)
    expect(usual(all.leader)).toBe(true)
  })

  test('of which nothing is heard, though the connection stands', async () => {
    const all = await behind()
    const { world, leader, follower } = all
    follower.beforeChunk = () => new Promise(() => undefined)
    await writing(all, 14 * KIB, 9)
    expect(kept(all)).toBe(true)
    const others = world.nodes.filter((node) => node !== follower).map(({ id }) => id)
    world.network.isolate(follower.id, others)
    await writing(all, KIB, 8)
    expect(kept(all)).toBe(true)
    await writing(all, KIB, 5)
    expect([usual(leader), happened(leader, 'snapshotFailed')]).toEqual([true, 0])
  })

  test('by whom has lost its leadership', async () => {
    const all = await keeping()
    const { world, leader } = all
    const [other] = world.nodes.filter((node) => node !== leader && node !== all.follower)
    leader.multi.handle(GROUP)?.transferLeadership(GROUP * 10 + (other?.id ?? 0))
    await world.time.until(() => other?.multi.handle(GROUP)?.status().ready === true)
    await world.time.run(3000)
    expect(usual(leader)).toBe(true)
  })
})

test('however often a snapshot is begun anew, its receivers are looked at once a second, and not at all afterwards', async () => {
  const time = new VirtualTime()
  const env = time.env()
  const wal = new MemoryWal(env, new MemoryLogDisk())
  const entry = { index: 1, term: 1, type: 'normal', data: new Uint8Array(1) } as const
  await time.during(new Promise<void>((resolve) => wal.append({ group: GROUP, replica: 1, entries: [entry] }, resolve)))
  const peer = new PeerProgress(2, 1, false, { maxInflightMessages: 1, maxInflightBytes: 1 })
  peer.becomeSnapshot(7)
  let looks = 0
  const needs: FollowerNeeds = new FollowerNeeds(
    {
      ...{ env, wal, group: GROUP, limits: { walRetainBytes: 0 }, term: () => 1, event: () => undefined },
      progress: () => [viewProgress(peer)],
      silentMs: () => 0,
      stopped: () => false,
      look: () => {
        looks++
        needs.heldFrom()
      },
    },
    1,
  )
  for (let i = 0; i < 10; i++) {
    needs.sending(2, 2, 8)
    needs.failed(2)
  }
  needs.sending(2, 2, 8)
  await time.run(5500)
  expect(looks).toBe(5)
  needs.failed(2)
  await time.run(5000)
  expect(looks).toBe(6)
})
