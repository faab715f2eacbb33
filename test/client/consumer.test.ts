import { expect, test } from 'vitest'
import { SandglassError } from '../../src/base/errors.ts'
import { Calls } from '../../src/client/calls.ts'
import { createConsumer } from '../../src/client/consumer.ts'
import type { Delivery } from '../../src/client/delivery.ts'
import type { SessionEvent } from '../../src/client/partition-consumer.ts'
import { Routes } from '../../src/client/routes.ts'
import { VirtualTime } from '../virtual-env.ts'
import { Leaders } from './scripted-leaders.ts'

async function setUp(options: { credit?: number; partitions?: number } = {}) {
  const time = new VirtualTime()
  const cluster = new Leaders(time, options.partitions)
  const env = time.env()
  const routes = new Routes(new Calls(env, cluster, { addrs: ['a:1', 'b:1'], timeoutMs: 5000 }))
  const caughtUp: boolean[] = []
  const onCaughtUp = (is: boolean) => caughtUp.push(is)
  const sessions: SessionEvent[] = []
  const onSession = (event: SessionEvent) => sessions.push(event)
  const consumer = createConsumer(
    { env, transport: cluster, routes, timeoutMs: 5000, onCaughtUp, onSession },
    { topic: 't', group: 'g', credit: options.credit },
  )
  const deliveries = consumer[Symbol.asyncIterator]()
  await time.until(() => cluster.streams.length === (options.partitions ?? 1))
  return { time, env, cluster, consumer, deliveries, caughtUp, sessions }
}

async function subscribed(options: { credit?: number } = {}) {
  const all = await setUp(options)
  all.cluster.last.say({ subscribed: {} })
  return all
}

async function take(time: VirtualTime, deliveries: AsyncIterator<Delivery>): Promise<Delivery> {
  const next = await time.during(deliveries.next())
  if (next.done) throw new Error('the consumer ended')
  return next.value
}

const lost = new SandglassError('UNREACHABLE', 'Cannot go on: connection lost')

test('credit is shared by the partitions, and none goes without', async () => {
  const { cluster } = await setUp({ credit: 10, partitions: 3 })
  expect(cluster.streams.map((s) => s.subscribe?.credit)).toEqual([3, 3, 4])
  const few = await setUp({ credit: 1, partitions: 3 })
  expect(few.cluster.streams.map((s) => s.subscribe?.credit)).toEqual([1, 1, 1])
  const sessions = new Set(cluster.streams.map((s) => Buffer.from(s.subscribe?.session ?? []).toString('hex')))
  expect([sessions.size, [...sessions][0]?.length]).toEqual([1, 32])
})

test('acks of one turn leave in one request, and each hears of its own fate', async () => {
  const { time, cluster, deliveries } = await subscribed()
  cluster.last.deliver([1, 2, 3])
  const acks = [await take(time, deliveries), await take(time, deliveries), await take(time, deliveries)].map((d) =>
    d.ack(),
  )
  const fates = Promise.allSettled(acks)
  await time.run(1)
  const requests = cluster.last.requests.filter((r) => r.ack)
  expect(requests).toEqual([{ ack: { id: 1, index: [1, 2, 3], fence: [101, 102, 103] } }])
  cluster.last.say({ settled: { id: 1, lost: [1] } })
  const [first, second, third] = await time.during(fates)
  expect([first?.status, third?.status]).toEqual(['fulfilled', 'fulfilled'])
  expect(second).toMatchObject({ status: 'rejected', reason: { reason: 'LEASE_LOST' } })
})

test('nacks with different delays go apart, extends carry their length', async () => {
  const { time, cluster, deliveries } = await subscribed()
  cluster.last.deliver([1, 2, 3])
  const [a, b, c] = [await take(time, deliveries), await take(time, deliveries), await take(time, deliveries)]
  const all = Promise.allSettled([
    a.nack({ delayMs: 5 }),
    b.nack({ delayMs: 6, reason: 'y'.repeat(256) }),
    c.extend(9000),
  ])
  await time.run(1)
  const [first, second, third] = cluster.last.requests.filter((r) => r.nack || r.extend)
  expect(first?.nack).toMatchObject({ index: [1], delayMs: 5 })
  expect(second?.nack).toMatchObject({ index: [2], delayMs: 6, reason: 'y'.repeat(256) })
  expect(third?.extend).toMatchObject({ index: [3], leaseMs: 9000 })
  for (const id of [1, 2, 3]) cluster.last.say({ settled: { id } })
  await time.during(all)
})

test('after a broken stream it subscribes again at the new leader with what was handed out, and only that', async () => {
  const { time, cluster, deliveries } = await subscribed()
  cluster.last.deliver([1, 2, 3])
  const held = await take(time, deliveries)
  cluster.leader = 'b:1'
  cluster.last.end(lost)
  await time.until(() => cluster.streams.length === 2)
  const { addr, subscribe } = cluster.last
  expect(addr).toBe('b:1')
  expect(subscribe).toMatchObject({ reattach: true, holds: [{ index: 1, fence: 101 }] })
  expect(subscribe?.session).toEqual(cluster.streams[0]?.subscribe?.session)
  cluster.last.say({ subscribed: { kept: [{ index: 1, fence: 101 }] } })
  const ack = held.ack()
  await time.run(1)
  cluster.last.say({ settled: { id: 1 } })
  await time.during(ack)
  // 2 and 3 were never handed out: only what comes anew is.
  cluster.last.deliver([3])
  expect((await take(time, deliveries)).index).toBe(3)
})

test('an ack without an answer is asked again on the next stream', async () => {
  const { time, cluster, deliveries } = await subscribed()
  cluster.last.deliver([1])
  const ack = (await take(time, deliveries)).ack()
  await time.run(1)
  cluster.last.end(lost)
  await time.until(() => cluster.streams.length === 2)
  cluster.last.say({ subscribed: { kept: [] } })
  await time.run(1)
  expect(cluster.last.requests.filter((r) => r.ack)).toEqual([{ ack: { id: 2, index: [1], fence: [101] } }])
  cluster.last.say({ settled: { id: 2 } })
  await time.during(ack)
})

test('a nack that is lost after a try without an answer is unknown', async () => {
  const { time, cluster, deliveries } = await subscribed()
  cluster.last.deliver([1])
  const nack = (await take(time, deliveries)).nack()
  nack.catch(() => undefined)
  await time.run(1)
  cluster.last.end(lost)
  await time.until(() => cluster.streams.length === 2)
  cluster.last.say({ subscribed: { kept: [] } })
  await time.run(1)
  cluster.last.say({ settled: { id: 2, lost: [0] } })
  await expect(time.during(nack)).rejects.toMatchObject({ reason: 'COMMIT_UNKNOWN', outcome: 'unknown' })
})

test('a settlement that is never answered ends at the deadline', async () => {
  const { time, cluster, deliveries } = await subscribed()
  cluster.last.deliver([1, 2])
  const [sent, unsent] = [await take(time, deliveries), await take(time, deliveries)]
  const first = sent.ack()
  await time.run(1)
  cluster.leader = undefined
  cluster.last.end(lost)
  const second = unsent.ack()
  const fates = await time.during(Promise.allSettled([first, second]))
  expect(fates).toMatchObject([{ reason: { reason: 'COMMIT_UNKNOWN' } }, { reason: { reason: 'UNREACHABLE' } }])
  expect(time.nowMs).toBeLessThan(7000)
})

test('a refused settlement is tried again', async () => {
  const { time, cluster, deliveries } = await subscribed()
  cluster.last.deliver([1])
  const ack = (await take(time, deliveries)).ack()
  await time.run(1)
  cluster.last.say({ settled: { id: 1, error: { reason: 'OVERLOADED', message: 'Cannot: full' } } })
  await time.until(() => cluster.last.requests.filter((r) => r.ack).length === 2)
  cluster.last.say({ settled: { id: 2 } })
  await time.during(ack)
})

test('what may be settled in part is asked again: an ack then holds, and a nack that is lost then is unknown', async () => {
  const { time, cluster, deliveries } = await subscribed()
  cluster.last.deliver([1, 2])
  const ack = (await take(time, deliveries)).ack()
  const nack = (await take(time, deliveries)).nack()
  nack.catch(() => undefined)
  await time.run(1)
  const error = { reason: 'COMMIT_UNKNOWN', message: 'Cannot tell' }
  for (const id of [1, 2]) cluster.last.say({ settled: { id, error } })
  await time.until(() => cluster.last.requests.filter((r) => r.ack ?? r.nack).length === 4)
  const again = cluster.last.requests.filter((r) => r.ack ?? r.nack).slice(2)
  for (const { ack, nack } of again)
    cluster.last.say({ settled: { id: ack?.id ?? nack?.id ?? 0, lost: nack ? [0] : [] } })
  await time.during(ack)
  await expect(time.during(nack)).rejects.toMatchObject({ reason: 'COMMIT_UNKNOWN' })
})

test('a stream without echoes is given up for another', async () => {
  const { time, cluster } = await subscribed()
  await time.run(10_000)
  expect(cluster.streams).toHaveLength(1)
  cluster.last.echoing = false
  const began = time.nowMs
  await time.until(() => cluster.streams.length === 2)
  expect(cluster.streams[0]?.cancelled).toBe(true)
  expect(time.nowMs - began).toBeLessThan(5000)
})

test('a delivery that may no longer count as held ends its stream, so that it comes again at once', async () => {
  const { time, env, cluster, deliveries } = await subscribed()
  await time.run(2000)
  cluster.last.echoing = false
  cluster.last.deliver([1])
  await time.run(2900)
  // A stall: the delivery is asked for when the last echo is too long ago, before anything else notices.
  const { monoMs } = env
  env.monoMs = () => monoMs.call(env) + 400
  const next = deliveries.next()
  await time.run(1)
  env.monoMs = monoMs
  cluster.last.echoing = true
  cluster.last.say({ mark: { id: cluster.last.lastMark } })
  await time.until(() => cluster.streams.length === 2)
  expect(cluster.last.subscribe?.holds).toEqual([])
  cluster.last.say({ subscribed: {} })
  cluster.last.deliver([1])
  expect((await time.during(next)).value?.index).toBe(1)
})

test('a delivery is not handed out when its lease, counted from the newest echo before it, has ended', async () => {
  const { time, cluster, deliveries } = await subscribed()
  await time.run(2100)
  const early = cluster.last.lastMark
  cluster.last.echoing = false
  await time.run(900)
  // The echo came 900 ms and more ago: of a lease of one second less than 100 ms are left.
  cluster.last.deliver([1], { leaseMs: 1000, mark: early })
  cluster.last.deliver([2], { leaseMs: 2000, mark: early })
  await time.run(150)
  expect((await take(time, deliveries)).index).toBe(2)
})

test('what waits beyond its lease leaves the queue and is not listed when reattaching', async () => {
  const { time, cluster, deliveries } = await subscribed()
  cluster.last.deliver([1], { leaseMs: 1000 })
  const held = await take(time, deliveries)
  cluster.last.deliver([2], { leaseMs: 1000 })
  cluster.last.deliver([3], { leaseMs: 0 })
  await time.run(3000)
  const next = await take(time, deliveries)
  expect([held.index, next.index]).toEqual([1, 3])
  cluster.last.end(lost)
  await time.until(() => cluster.streams.length === 2)
  expect(cluster.last.subscribe?.holds).toEqual([{ index: 3, fence: 103 }])
})

test('what is at work is listed when reattaching as long as the leader may still count it leased', async () => {
  const { time, cluster, deliveries } = await subscribed()
  await time.run(2100)
  const early = cluster.last.lastMark
  cluster.last.echoing = false
  await time.run(900)
  // By the echo the lease of 2 s ends about a second from now; the leader granted it just now.
  cluster.last.deliver([1], { leaseMs: 2000, mark: early })
  await take(time, deliveries)
  cluster.last.echoing = true
  await time.run(1900)
  cluster.last.end(lost)
  await time.until(() => cluster.streams.length === 2)
  expect(cluster.last.subscribe?.holds).toEqual([{ index: 1, fence: 101 }])
})

test('an extended lease counts from when the extend was sent', async () => {
  const { time, cluster, deliveries } = await subscribed()
  cluster.last.deliver([1], { leaseMs: 1000 })
  const extended = (await take(time, deliveries)).extend(60_000)
  await time.run(1)
  cluster.last.say({ settled: { id: 1 } })
  await time.during(extended)
  await time.run(30_000)
  cluster.last.end(lost)
  await time.until(() => cluster.streams.length === 2)
  expect(cluster.last.subscribe?.holds).toEqual([{ index: 1, fence: 101 }])
})

test('a hint is followed at once, and a wrong one does not spin', async () => {
  const { time, cluster } = await subscribed()
  const notLeader = (leader: string) => new SandglassError('NOT_LEADER', 'Cannot go on: not the leader', { leader })
  const began = time.nowMs
  cluster.last.say({ end: { reason: 'NOT_LEADER', message: 'Cannot', leader: 'b:1' } })
  await time.until(() => cluster.streams.length === 2)
  expect([cluster.last.addr, time.nowMs]).toEqual(['b:1', began])
  for (let round = 0; round < 10; round++) {
    const { length } = cluster.streams
    cluster.last.end(notLeader(round % 2 === 0 ? 'a:1' : 'b:1'))
    await time.until(() => cluster.streams.length === length + 1)
  }
  expect(time.nowMs - began).toBeGreaterThan(1000)
})

test('a replaced session ends the consumer with its reason', async () => {
  const { time, cluster, deliveries } = await subscribed()
  const next = deliveries.next()
  next.catch(() => undefined)
  cluster.last.say({ end: { reason: 'SESSION_REPLACED', message: 'Cannot go on' } })
  await expect(time.during(next)).rejects.toMatchObject({ reason: 'SESSION_REPLACED' })
  await expect(deliveries.next()).rejects.toMatchObject({ reason: 'SESSION_REPLACED' })
  await time.run(10_000)
  expect(cluster.streams).toHaveLength(1)
})

test('with the topic end at once the acks of every partition, and what is waited for', async () => {
  const { time, cluster, deliveries } = await setUp({ partitions: 2 })
  const [here, there] = cluster.streams
  for (const stream of cluster.streams) stream.say({ subscribed: {} })
  here?.deliver([1])
  const delivery = await take(time, deliveries)
  const fates = Promise.allSettled([delivery.ack(), deliveries.next()])
  await time.run(1)
  there?.say({ end: { reason: 'TOPIC_NOT_FOUND', message: 'Cannot find topic t' } })
  const [ack, next] = await time.during(fates, 100)
  expect(ack).toMatchObject({ status: 'rejected', reason: { reason: 'COMMIT_UNKNOWN' } })
  expect(next).toMatchObject({ status: 'rejected', reason: { reason: 'TOPIC_NOT_FOUND' } })
  expect(here?.cancelled).toBe(true)
})

test('caught up is said when every partition is, and taken back by a delivery', async () => {
  const { cluster, caughtUp } = await setUp({ partitions: 2 })
  for (const stream of cluster.streams) stream.say({ subscribed: {} })
  cluster.streams[0]?.say({ caughtUp: { atMs: 1 } })
  expect(caughtUp).toEqual([])
  cluster.streams[1]?.say({ caughtUp: { atMs: 1 } })
  expect(caughtUp).toEqual([true])
  cluster.streams[0]?.deliver([1])
  expect(caughtUp).toEqual([true, false])
})

test('closing waits for acks, then ends the stream in good order', async () => {
  const { time, cluster, consumer, deliveries } = await subscribed()
  cluster.last.deliver([1, 2])
  const delivery = await take(time, deliveries)
  const ack = delivery.ack()
  const closed = consumer.close()
  await time.run(100)
  expect(cluster.last.finished).toBe(false)
  cluster.last.say({ settled: { id: 1 } })
  await time.during(ack)
  await time.until(() => cluster.last.finished)
  cluster.last.end(lost)
  await time.during(closed)
  expect((await deliveries.next()).done).toBe(true)
  await expect(delivery.ack()).rejects.toMatchObject({ reason: 'SHUTTING_DOWN' })
})

test('closing does not wait for ever for a leader that does not answer', async () => {
  const { time, cluster, consumer, deliveries } = await subscribed()
  cluster.last.deliver([1])
  const ack = (await take(time, deliveries)).ack()
  ack.catch(() => undefined)
  cluster.last.echoing = false
  await time.during(consumer.close(), 7000)
  await expect(ack).rejects.toMatchObject({ reason: 'COMMIT_UNKNOWN' })
})

test('a stream that broke and stands again is told, with when it was last confirmed', async () => {
  const { time, cluster, sessions } = await subscribed()
  const startMs = time.startMs + time.nowMs
  cluster.last.say({ mark: { id: 1 } })
  await time.run(300)
  const streams = cluster.streams.length
  cluster.last.end(lost)
  expect(sessions).toMatchObject([
    { type: 'attached', partition: 0 },
    { type: 'broken', atMs: startMs + 300 },
  ])
  expect(sessions[1]?.confirmedMs).toBeLessThanOrEqual(startMs)
  await time.until(() => cluster.streams.length > streams)
  cluster.last.say({ subscribed: {} })
  expect(sessions.map(({ type }) => type)).toEqual(['attached', 'broken', 'attached'])
})
