/** A partition whose group sleeps, with the broker on the real replication: times pass in it all the same. */
import { expect, test } from 'vitest'
import { createBroker } from '../../src/broker/broker.ts'
import type { Partition } from '../../src/broker/partition.ts'
import type { GroupHandle } from '../../src/replication/group.ts'
import type { TimerEffect, TimerReply } from '../../src/views/timer/commands.ts'
import { createTimerView, type TimerView } from '../../src/views/timer/timer-view.ts'
import { Cluster, type Node } from '../replication/cluster.ts'
import { VirtualTime } from '../virtual-env.ts'
import { FakeDirectory, PARTITION } from './fake-directory.ts'
import { Consumer, latestMs } from './harness.ts'

const TICK_MS = 50
/** One entry through the quorum, twice: what is due is handed out by an entry, and the disk of these nodes takes 1 ms. */
const LATE_MS_MAX = 20

type TimerHandle = GroupHandle<TimerReply, TimerEffect, TimerView>

async function sleepingPartition(): Promise<{
  cluster: Cluster
  leader: Node
  partition: Partition
  latest: () => number
}> {
  const timing = { tickMs: TICK_MS, heartbeatMs: 100, electionMs: 400, idleMs: 500 }
  const cluster = new Cluster(new VirtualTime(), { timing })
  for (let i = 0; i < 3; i++) cluster.add()
  const handles: TimerHandle[] = []
  for (const { id, multi } of cluster.nodes) {
    const started = multi.start<TimerReply, TimerEffect, TimerView>(cluster.spec(id, PARTITION.group), createTimerView)
    handles.push(await cluster.time.during(started))
  }
  await cluster.time.until(() => handles.some((handle) => handle.status().ready), 20_000, 'a leader')
  const at = handles.findIndex((handle) => handle.status().ready)
  const [leader, handle] = [cluster.nodes[at], handles[at]]
  if (leader === undefined || handle === undefined) throw new Error('no leader')
  const broker = createBroker({
    ...{ env: leader.env, directory: new FakeDirectory(leader.id) },
    config: { leaseMs: 30_000, reattachMs: 5000, maxClockSkewMs: 2000 },
    onEvent: () => undefined,
  })
  broker.attachGroup(PARTITION, handle)
  const [partition] = broker.partitions()
  if (partition === undefined) throw new Error('no partition')
  return { cluster, leader, partition, latest: () => latestMs(broker) }
}

function sleeps(cluster: Cluster): boolean {
  return cluster.nodes.every(({ multi }) => multi.stats().quiesced === 1)
}

async function produce(cluster: Cluster, partition: Partition, deliverAtMs: number): Promise<void> {
  const messages = [{ channel: 'master', body: Buffer.from('body'), deliverAt: deliverAtMs }]
  const answer = new Promise((resolve) => partition.produce({ type: 'produce', messages }, resolve))
  await cluster.time.during(answer)
}

test('what becomes due while the group sleeps is handed out on time, and the group sleeps again', async () => {
  const { cluster, leader, partition, latest } = await sleepingPartition()
  const consumer = new Consumer(partition, 'c', {}, true)
  // Between two ticks, long after everybody has fallen asleep.
  const dues = [5013, 60_037].map((ms) => leader.env.wallMs() + ms)
  for (const due of dues) await produce(cluster, partition, due)
  for (const [i, due] of dues.entries()) {
    await cluster.time.run(due - leader.env.wallMs() - 1)
    expect(sleeps(cluster)).toBe(true)
    expect(consumer.got).toHaveLength(i)
    await cluster.time.run(1 + LATE_MS_MAX)
    expect(consumer.got).toHaveLength(i + 1)
  }
  expect(latest()).toBeLessThan(LATE_MS_MAX)
  await cluster.time.until(() => sleeps(cluster), 2000, 'everybody to sleep again')
})

test('a lease that runs out while the group sleeps ends on time, and the message goes to another consumer', async () => {
  const { cluster, leader, partition } = await sleepingPartition()
  const first = new Consumer(partition, 'first', { leaseMs: 10_000, credit: 1 }, false)
  await produce(cluster, partition, leader.env.wallMs())
  await cluster.time.until(() => first.got.length === 1, 1000, 'the delivery')
  const leasedMs = cluster.time.nowMs
  const second = new Consumer(partition, 'second', { leaseMs: 10_000 }, true)
  await cluster.time.until(() => sleeps(cluster), 3000, 'everybody to sleep')
  await cluster.time.run(leasedMs + 9900 - cluster.time.nowMs)
  expect(sleeps(cluster)).toBe(true)
  expect(second.got).toEqual([])
  await cluster.time.run(100 + 2 * LATE_MS_MAX)
  expect(second.got).toHaveLength(1)
})
