/** A snapshot comes whole or not at all: the receiver loses its power at every boundary of what it writes. */
import { expect, test } from 'vitest'
import { memoryStateStore } from '../../src/storage/state/store.ts'
import { reload } from '../views/reload.ts'
import { Cluster, GROUP, type Node } from './cluster.ts'
import { ListView } from './list-view.ts'

const LIMITS = { checkpointBytes: 4000, walRetainBytes: 1000, snapshotChunkBytes: 1500 }
const GONE = new Error('the power is gone')
const long = (i: number) => `${i}-${'x'.repeat(500)}`

/** A follower with a checkpoint of its own that was away while the leader released the log it needs. */
async function behind(): Promise<{ cluster: Cluster; follower: Node; values: string[] }> {
  const cluster = await Cluster.start({ limits: LIMITS })
  const leader = await cluster.leader()
  const [follower] = cluster.others(leader)
  if (follower === undefined) throw new Error('no follower')
  const values = Array.from({ length: 30 }, (_, i) => long(i))
  for (const value of values.slice(0, 12)) await cluster.propose(leader, value)
  await cluster.settled()
  await cluster.time.run(100)
  follower.crash()
  for (const value of values.slice(12)) await cluster.propose(leader, value)
  await cluster.time.run(100)
  return { cluster, follower, values }
}

/** The power goes before the `n`th change of state or log since now; false if there were fewer. */
function crashBefore(follower: Node, n: number): () => boolean {
  const { stateDisk, wal } = follower
  const { write, erase } = { write: stateDisk.write.bind(stateDisk), erase: stateDisk.erase.bind(stateDisk) }
  let changes = 0
  let crashed = false
  /** True from the change on that no longer happens. */
  const cut = () => {
    if (!crashed && changes++ === n) {
      crashed = true
      follower.crash()
      // Whoever looks at the disk afterwards may change it.
      Object.assign(stateDisk, { write, erase })
    }
    return crashed
  }
  const unlessCut = () => {
    if (cut()) throw GONE
  }
  stateDisk.write = (owner, rows) => {
    unlessCut()
    write(owner, rows)
  }
  stateDisk.erase = (owner, keys) => {
    unlessCut()
    erase(owner, keys)
  }
  const append = wal.append.bind(wal)
  wal.append = (one, done) => {
    if (!cut()) append(one, () => cut() || done())
  }
  return () => crashed
}

/** What a start would find: the applied index, the number of rows, and whether they are those of that index. */
async function found(cluster: Cluster, { stateDisk }: Node, values: readonly string[]) {
  const store = memoryStateStore(cluster.time.env(), stateDisk)
  const state = await cluster.time.during(store.group(GROUP))
  const view = await reload(new ListView(), state)
  const texts = await view.texts(state)
  await cluster.time.during(store.close())
  const applied = state.meta?.applied ?? 0
  // The first entry is the leader's own and says nothing.
  const whole = state.damage === undefined && view.count === applied - 1 && texts.length === applied - 1
  return { applied, whole: whole && texts.every((text, i) => text === values[i]) }
}

test('wherever the power goes while a snapshot is installed, the state is the old one or the new one, and catches up', async () => {
  const applied: number[] = []
  for (let n = 0; ; n++) {
    const { cluster, follower, values } = await behind()
    const old = await found(cluster, follower, values)
    expect(old).toMatchObject({ whole: true })
    await follower.restart()
    const crashed = crashBefore(follower, n)
    await cluster.time.until(() => crashed() || follower.handle.status().applied > values.length, 20_000)
    if (!crashed()) break
    const after = await found(cluster, follower, values)
    expect(after).toMatchObject({ whole: true })
    applied.push(after.applied)
    await follower.restart()
    await cluster.settled()
    expect(await follower.texts()).toEqual(values)
    expect(follower.fatal.filter((error) => error !== GONE)).toEqual([])
  }
  const [first = 0] = applied
  const last = applied.at(-1) ?? 0
  const flip = applied.indexOf(last)
  expect(last).toBeGreaterThan(first)
  expect(applied).toEqual(applied.map((_, n) => (n < flip ? first : last)))
  expect([flip > 1, applied.length - flip > 1]).toEqual([true, true])
})
