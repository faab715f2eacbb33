/** Batching, and that every caller is answered exactly once whatever happens to the leader. */
import { expect, test } from 'vitest'
import type { SandglassError } from '../../src/base/errors.ts'
import { ENTRY_BYTES_MAX } from '../../src/base/limits.ts'
import type { Answer } from '../../src/broker/lane.ts'
import { decodeTimerCommand } from '../../src/views/timer/codec.ts'
import { Harness, surveyed } from './harness.ts'

function reason(answer: Answer): SandglassError['reason'] | 'ok' {
  return answer.type === 'failed' ? answer.error.reason : 'ok'
}

test('what is asked for in one turn is one entry', async () => {
  const h = new Harness()
  const answers = Promise.all(Array.from({ length: 50 }, () => h.produce(2)))
  await h.time.during(answers)
  expect(h.handle.proposed).toHaveLength(1)
  expect(h.handle.proposed[0]?.commands).toHaveLength(50)
})

test('an entry has at most 1,024 messages and 1 MiB, except for one large command alone', async () => {
  const h = new Harness()
  const many = Array.from({ length: 5 }, () => h.produce(600))
  const large = Array.from({ length: 3 }, () => h.produce(1, { body: Buffer.alloc(700_000) }))
  await h.time.during(Promise.all([...many, ...large, h.produce(2, { body: Buffer.alloc(900_000) })]))
  for (const { commands } of h.handle.proposed) {
    const bytes = commands.reduce((n, { length }) => n + length, 0)
    const messages = commands
      .map(decodeTimerCommand)
      .reduce((n, c) => n + (c.type === 'produce' ? c.messages.length : 0), 0)
    expect(messages).toBeLessThanOrEqual(1024)
    if (commands.length > 1) expect(bytes).toBeLessThanOrEqual(ENTRY_BYTES_MAX)
  }
  expect(h.handle.proposed).toHaveLength(8)
})

test('a follower refuses with the address of the leader', async () => {
  const h = new Harness()
  h.directory.nodeList.push({ id: 2, name: 'n2', grpc: 'host:2', alive: true, version: '' })
  h.handle.change({ role: 'follower', ready: false, leaderNode: 2 })
  h.directory.setLeader(2)
  const answer = await h.produce()
  expect(answer).toMatchObject({ type: 'failed', error: { reason: 'NOT_LEADER', leader: 'host:2' } })
})

test('an elected leader lets callers wait until its first entry is applied', async () => {
  const h = new Harness({ ready: false })
  const waiting = h.produce()
  await h.time.run(1000)
  expect(h.handle.proposed).toHaveLength(0)
  h.handle.change({ ready: true })
  expect(reason(await h.time.during(waiting))).toBe('ok')
})

test('a leader that never becomes ready refuses with NO_QUORUM after a bounded wait', async () => {
  const h = new Harness({ ready: false })
  expect(reason(await h.time.during(h.produce(), 3100))).toBe('NO_QUORUM')
})

test('what comes after such a wait was in vain waits no longer either', async () => {
  const h = new Harness({ ready: false })
  await h.time.during(h.produce(), 3100)
  const answers: string[] = []
  for (let i = 0; i < 3; i++) {
    void h.produce().then((answer) => answers.push(reason(answer)))
    await h.time.run(1000)
  }
  await h.time.run(100)
  expect(answers).toEqual(['NO_QUORUM', 'NO_QUORUM', 'NO_QUORUM'])
  expect(h.handle.proposed).toEqual([])
})

test('a leader without anybody who waits keeps no timer, and the next who comes has its whole wait', async () => {
  const h = new Harness({ ready: false })
  await h.time.run(2900)
  const waiting = h.produce()
  await h.time.run(2000)
  h.handle.change({ ready: true })
  expect(reason(await h.time.during(waiting, 100))).toBe('ok')
})

test('whoever waits on a topic that is deleted hears so, and whoever comes later', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  await h.time.run(1)
  h.handle.manual = true
  const proposed = h.produce()
  await h.time.run(1)
  const waiting = h.produce()
  const { partition } = h
  await h.directory.deleteTopic('orders')
  h.broker.detachGroup(1001)
  h.handle.loseWaiting()
  expect(consumer.ended?.reason).toBe('TOPIC_NOT_FOUND')
  expect(reason(await waiting)).toBe('TOPIC_NOT_FOUND')
  expect(reason(await proposed)).toBe('COMMIT_UNKNOWN')
  const messages = [{ channel: 'master', body: new Uint8Array(1) }]
  const late = new Promise<Answer>((resolve) => partition.produce({ type: 'produce', messages }, resolve))
  expect(reason(await late)).toBe('TOPIC_NOT_FOUND')
  await expect(partition.read()).rejects.toMatchObject({ reason: 'TOPIC_NOT_FOUND' })
})

test('what waits when leadership is lost was never stored; what was proposed is unknown', async () => {
  const h = new Harness()
  h.handle.manual = true
  const proposed = h.produce()
  await h.time.run(1)
  const waiting = h.produce()
  h.handle.change({ role: 'follower', ready: false })
  h.handle.loseWaiting()
  expect(reason(await waiting)).toBe('NOT_LEADER')
  expect(reason(await proposed)).toBe('COMMIT_UNKNOWN')
})

test('when too much waits, produces are refused and acks still go through', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  await h.produced(1)
  await h.time.run(1)
  h.handle.manual = true
  const answers: Promise<Answer>[] = []
  for (let i = 0; i < 40; i++) answers.push(h.produce(1, { body: Buffer.alloc(1_000_000) }))
  consumer.session.ack(1, consumer.held)
  await h.time.run(10)
  expect(decodeTimerCommand(h.handle.waiting[0]?.commands[0] ?? new Uint8Array()).type).toBe('ack')
  h.handle.manual = false
  h.handle.applyNext()
  const reasons = (await h.time.during(Promise.all(answers))).map(reason)
  expect(reasons.filter((r) => r === 'OVERLOADED').length).toBeGreaterThanOrEqual(20)
  expect(reasons.filter((r) => r === 'ok').length).toBeGreaterThanOrEqual(15)
  expect(consumer.answers).toEqual([{ id: 1, lost: [] }])
})

test('room comes back when produces are answered', async () => {
  const h = new Harness()
  for (let i = 0; i < 60; i++) await h.produced(1, { body: Buffer.alloc(500_000) })
  expect(h.handle.view.messageCount).toBe(60)
})

test('after a refusal for want of room, acks do not share an entry with produces', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  await h.produced(1)
  await h.time.run(1)
  h.handle.refuse = 'OVERLOADED'
  expect(reason(await h.time.during(h.produce()))).toBe('OVERLOADED')
  h.handle.refuse = undefined
  h.handle.manual = true
  void h.produce()
  consumer.session.ack(1, consumer.held)
  await h.time.run(1)
  const types = h.handle.waiting.map(({ commands }) => commands.map((bytes) => decodeTimerCommand(bytes).type))
  expect(types.slice(0, 2)).toEqual([['ack'], ['produce']])
})

test('every caller is answered exactly once through refusals, losses and take-overs', async () => {
  const h = new Harness()
  const answered = new Map<number, number>()
  let asked = 0
  const ask = () => {
    const id = asked++
    h.partition.produce({ type: 'produce', messages: [{ channel: 'master', body: new Uint8Array(10) }] }, () =>
      answered.set(id, (answered.get(id) ?? 0) + 1),
    )
  }
  for (let i = 0; i < 300; i++) {
    ask()
    h.handle.manual = h.time.random() < 0.7
    h.handle.refuse = h.time.random() < 0.1 ? 'OVERLOADED' : undefined
    if (h.time.random() < 0.3) await h.time.run(1)
    if (h.time.random() < 0.3) h.handle.applyNext(2)
    if (h.time.random() < 0.1) {
      h.handle.change({ role: 'follower', ready: false })
      ask()
      h.handle.loseWaiting()
      h.handle.change({ role: 'leader', ready: true, term: h.handle.status().term + 1 })
    }
  }
  h.handle.manual = false
  h.handle.refuse = undefined
  await h.time.run(1)
  h.handle.applyNext()
  await h.time.run(10)
  expect(answered.size).toBe(asked)
  expect([...answered.values()].every((n) => n === 1)).toBe(true)
})

test('what waits when a leadership ends is refused, also when the next one is its own', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  await h.time.run(1)
  await h.produced()
  const before = h.handle.proposed.length
  const waiting = h.produce()
  consumer.session.ack(1, consumer.held)
  h.handle.change({ term: h.handle.status().term + 1 })
  expect(reason(await h.time.during(waiting))).toBe('NOT_LEADER')
  await h.time.run(1)
  expect(h.handle.proposed.length).toBe(before)
})

test('deliveries go on after stale and refused deliver commands, and nothing is lost or doubled', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { credit: 50 }, { ack: true })
  await h.time.run(1)
  for (let i = 0; i < 200; i++) {
    h.handle.refuse = h.time.random() < 0.3 ? 'OVERLOADED' : undefined
    h.handle.manual = h.time.random() < 0.5
    void h.produce(5)
    await h.time.run(3)
    if (h.time.random() < 0.5) h.handle.applyNext()
  }
  h.handle.manual = false
  h.handle.refuse = undefined
  h.handle.applyNext()
  await h.time.run(31_000)
  const { lastIndex } = h.handle.view
  const firsts = consumer.got.filter(({ count }) => count === 1).map(({ index }) => index)
  expect(firsts).toHaveLength(lastIndex)
  expect(new Set(firsts).size).toBe(lastIndex)
  expect(h.topic?.early).toBe(0)
})

test('closing ends streams and refuses callers with SHUTTING_DOWN', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  await h.time.run(1)
  const waiting = h.produce()
  h.broker.close()
  expect(reason(await waiting)).toBe('SHUTTING_DOWN')
  expect(consumer.ended?.reason).toBe('SHUTTING_DOWN')
  expect(reason(await h.produce())).toBe('SHUTTING_DOWN')
})

test('numbers of a topic are told per group', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  await h.produced(3)
  await h.produced(2, { delayMs: 60_000 })
  await h.time.run(1)
  consumer.session.ack(1, consumer.held.slice(0, 1))
  await h.time.run(1)
  const stats = surveyed(h.broker)
  expect(stats.leading).toBe(1)
  expect(stats.topics.get('orders')).toMatchObject({ produced: 5, leases: 2, scheduled: 2, early: 0 })
  expect(stats.topics.get('orders')?.groups.get('g')).toMatchObject({ delivered: 3, acked: 1 })
})
