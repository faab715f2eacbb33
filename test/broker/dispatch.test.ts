/** What consumers of a leader get, and when: against the real timer view in virtual time. */
import { expect, test } from 'vitest'
import { LOOK_AHEAD_BYTES_MAX, OUTSTANDING_MAX } from '../../src/base/limits.ts'
import { decodeTimerCommand } from '../../src/views/timer/codec.ts'
import { Harness, latestMs } from './harness.ts'

test('a message due now reaches a waiting consumer', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  const [position] = await h.produced()
  await h.time.run(0)
  expect(consumer.got).toMatchObject([{ index: position?.index, due: position?.due, count: 1 }])
  expect(Buffer.from(consumer.got[0]?.body ?? []).toString()).toBe('body')
})

test('a message for later is delivered on time, never early, by one timer', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  await h.produced(1, { delayMs: 12_000 })
  await h.time.run(11_990)
  expect(consumer.got).toHaveLength(0)
  await h.time.run(300)
  expect(consumer.got).toHaveLength(1)
  expect(latestMs(h.broker)).toBeLessThanOrEqual(250)
  expect(h.topic?.early).toBe(0)
})

test('a message that is due in a moment is not taken along by one that is due now', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  await h.produced(1, { delayMs: 1000 })
  await h.time.run(980)
  await h.produced(1)
  await h.time.run(10)
  expect(consumer.indexes).toEqual([2])
  await h.time.run(20)
  expect(consumer.indexes).toEqual([2, 1])
  // Not even tried: apply would have refused it.
  expect(h.handle.stale).toBe(0)
})

test('a wall clock set back an hour changes nothing for delays', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  await h.produced(1, { delayMs: 12_000 })
  await h.time.run(1000)
  h.env.wallOffsetMs = -3_600_000
  await h.time.run(11_000 + 250)
  expect(consumer.got).toHaveLength(1)
})

test('a due time that passes while the leader looks is not slept through', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { credit: 1000 })
  for (let i = 0; i < 200; i++) void h.produce(1, { delayMs: 1000 + i * 97 })
  await h.time.run(500)
  // Leader's time is slewed from now on, so timers end a little before it is time; and looking takes time.
  h.env.wallOffsetMs = -3_600_000
  const mono = h.env.monoMs.bind(h.env)
  let latest = 0
  h.env.monoMs = () => {
    latest = Math.max(mono(), latest + 0.15)
    return latest
  }
  await h.time.run(30_000)
  expect(consumer.got).toHaveLength(200)
})

test("a confirmed step forward of the leader's time wakes what it made due", async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  await h.produced(1, { delayMs: 1_800_000 })
  await h.time.run(1000)
  h.env.wallOffsetMs = 3_600_000
  h.broker.followForwardStep(h.env.wallMs())
  await h.time.run(50)
  expect(consumer.got).toHaveLength(1)
})

test('what becomes due while a repeated produce is undecided is delivered once that is, though nothing new was stored', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  const produce = () =>
    h.partition.produce(
      {
        type: 'produce',
        sequence: { producer: 'p', first: 1 },
        messages: [{ channel: 'master', body: Buffer.from('x'), delayMs: 1000 }],
      },
      () => undefined,
    )
  produce()
  await h.time.run(900)
  h.handle.manual = true
  produce()
  await h.time.run(500)
  expect(consumer.got).toHaveLength(0)
  h.handle.manual = false
  h.handle.applyNext()
  await h.time.run(10)
  expect(consumer.got).toHaveLength(1)
})

test('scheduled messages of two thousand different times come in order, each within 250 ms', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { credit: 5000 })
  for (let i = 0; i < 2000; i++) void h.produce(1, { delayMs: 1000 + ((i * 7919) % 20_000) })
  await h.time.run(22_000)
  expect(consumer.got).toHaveLength(2000)
  const dues = consumer.got.map(({ due }) => due)
  expect(dues).toEqual([...dues].sort((a, b) => a - b))
  expect(latestMs(h.broker)).toBeLessThanOrEqual(250)
  expect(h.topic?.early).toBe(0)
})

test('a backlog larger than the look-ahead is delivered whole and in order', async () => {
  const h = new Harness()
  for (let i = 0; i < 20; i++) void h.produce(1000)
  await h.time.run(10)
  const consumer = h.consumer('a', { credit: 1000 }, { ack: true })
  await h.time.until(() => consumer.got.length >= 20_000)
  expect(consumer.indexes).toEqual(Array.from({ length: 20_000 }, (_, i) => i + 1))
})

test('messages produced while a backlog is read are neither lost nor doubled', async () => {
  const h = new Harness()
  for (let i = 0; i < 10; i++) void h.produce(1000)
  await h.time.run(10)
  const consumer = h.consumer('a', { credit: 700 }, { ack: true })
  for (let i = 0; i < 50; i++) {
    void h.produce(100)
    await h.time.run(1)
  }
  await h.time.until(() => consumer.got.length >= 15_000)
  expect(consumer.indexes).toEqual(Array.from({ length: 15_000 }, (_, i) => i + 1))
})

test('more scheduled messages than the look-ahead holds are all delivered, in order', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { credit: 20_000, leaseMs: 600_000 })
  await h.time.run(10)
  for (let i = 0; i < 24; i++) void h.produce(500, { delayMs: 60_000 - i * 1000 })
  await h.time.run(70_000)
  expect(consumer.got).toHaveLength(12_000)
  const dues = consumer.got.map(({ due }) => due)
  expect(dues).toEqual([...dues].sort((a, b) => a - b))
})

test('a redelivery is proposed once, however long its command takes', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { credit: 1000 })
  // Few would wait for those under way in any case.
  await h.produced(100)
  await h.time.run(1)
  h.handle.manual = true
  consumer.session.nack(
    1,
    consumer.held.map((held) => ({ ...held, delayMs: 0, keepPlace: true, reason: '' })),
  )
  await h.time.run(0)
  // The nack and no more: what it leads to stays under way.
  h.handle.applyNext()
  await h.time.run(1)
  expect(h.handle.waiting).toHaveLength(1)
  void h.produce(1)
  await h.time.run(50)
  const again: number[] = []
  for (const { commands } of h.handle.proposed) {
    for (const command of commands.map(decodeTimerCommand)) {
      if (command.type === 'deliver') again.push(...command.runs.flatMap((run) => run.again))
    }
  }
  expect(again).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
})

/** How many messages each of the deliver commands named that were proposed so far. */
function delivered(h: Harness): number[] {
  const commands = h.handle.proposed.flatMap((proposal) => proposal.commands.map(decodeTimerCommand))
  return commands.flatMap((command) =>
    command.type === 'deliver' ? [command.runs.reduce((n, run) => n + run.positions.length, 0)] : [],
  )
}

test('few deliveries wait for those on their way, many do not', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { credit: 1000 })
  await h.produced(300, { delayMs: 1000 })
  await h.produced(8, { delayMs: 2000 })
  for (let i = 0; i < 5; i++) await h.produced(1, { delayMs: 2010 + 10 * i })
  await h.time.run(900)
  h.handle.manual = true
  await h.time.run(1150)
  expect(delivered(h)).toEqual([300])
  h.handle.applyNext()
  await h.time.run(0)
  expect(delivered(h)).toEqual([300, 13])
  h.handle.applyNext()
  expect(consumer.got).toHaveLength(313)
})

test('few settling commands wait for two entries on their way, and none for ever', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { credit: 1000 })
  await h.produced(200)
  await h.time.run(10)
  const held = [...consumer.held]
  const before = h.handle.proposed.length
  h.handle.manual = true
  for (let i = 0; i < 10; i++) {
    consumer.session.ack(i, held.slice(i, i + 1))
    await h.time.run(1)
  }
  expect(h.handle.proposed.slice(before).map(({ commands }) => commands.length)).toEqual([1, 1])
  consumer.session.ack(10, held.slice(10, 90))
  await h.time.run(1)
  expect(h.handle.proposed.slice(before).map(({ commands }) => commands.length)).toEqual([1, 1, 9])
  for (let i = 90; i < 100; i++) consumer.session.ack(i, held.slice(i, i + 1))
  await h.time.run(1)
  // An entry that is refused changes nothing that would wake anybody.
  h.handle.waiting.shift()?.done({ type: 'refused', reason: 'OVERLOADED' })
  await h.time.run(1)
  expect(h.handle.proposed).toHaveLength(before + 3)
  h.handle.waiting.shift()?.done({ type: 'refused', reason: 'OVERLOADED' })
  await h.time.run(1)
  expect(h.handle.proposed).toHaveLength(before + 4)
  h.handle.applyNext()
  expect(h.topic?.groups.get('g')?.acked).toBe(98)
})

test('what waits for entries on their way is answered when leadership is lost', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { credit: 1000 })
  await h.produced(10)
  await h.time.run(10)
  h.handle.manual = true
  for (const [i, held] of [...consumer.held].entries()) {
    consumer.session.ack(i, [held])
    await h.time.run(1)
  }
  h.handle.change({ role: 'follower', ready: false, leaderReplica: 0, leaderNode: 0 })
  h.handle.loseWaiting()
  await h.time.run(1)
  h.handle.manual = false
  h.handle.change({ role: 'leader', term: 3, ready: true, leaderReplica: 1002, leaderNode: 1 })
  const again = h.consumer('b', { credit: 1000 })
  await h.time.run(20_000)
  expect(again.got).toHaveLength(10)
})

test('after a refused command those behind it are let land before the next', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { credit: 100_000 })
  await h.time.run(10)
  h.handle.manual = true
  for (let i = 0; i < 8; i++) void h.produce(1000)
  await h.time.run(1)
  h.handle.applyNext()
  await h.time.run(1)
  expect(h.handle.waiting).toHaveLength(4)
  h.handle.waiting.shift()?.done({ type: 'refused', reason: 'OVERLOADED' })
  for (let i = 0; i < 20; i++) {
    await h.time.run(30)
    h.handle.applyNext(1)
  }
  expect(h.handle.stale).toBe(3)
  expect(consumer.indexes).toEqual(Array.from({ length: 8000 }, (_, i) => i + 1))
})

test('large messages come in frames of bounded size', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  await h.produced(12, { body: Buffer.alloc(200_000) })
  await h.time.run(10)
  expect(consumer.got).toHaveLength(12)
  for (const { messages } of consumer.batches) expect(messages.length).toBeLessThanOrEqual(2)
})

test('at the bound of outstanding messages the cursor waits, and goes on with the first ack', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { credit: 1_000_000, leaseMs: 3_600_000 })
  for (let i = 0; i < 101; i++) void h.produce(1000)
  await h.time.run(1000)
  expect(consumer.got).toHaveLength(OUTSTANDING_MAX)
  consumer.session.ack(1, consumer.held.slice(0, 600))
  await h.time.run(100)
  expect(consumer.got).toHaveLength(OUTSTANDING_MAX + 600)
  expect(h.handle.stale).toBe(0)
})

test('credit bounds what is in flight, and comes back with each ack', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { credit: 3 })
  await h.produced(10)
  await h.time.run(100)
  expect(consumer.got).toHaveLength(3)
  consumer.session.ack(1, consumer.held.slice(0, 2))
  await h.time.run(100)
  expect(consumer.got).toHaveLength(5)
  expect(consumer.answers).toEqual([{ id: 1, lost: [] }])
  consumer.session.addCredit(4)
  await h.time.run(100)
  expect(consumer.got).toHaveLength(9)
})

test('scheduled and delayed messages cost no credit', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { credit: 1 })
  await h.produced(100, { delayMs: 60_000 })
  const [now] = await h.produced(1)
  await h.time.run(10)
  expect(consumer.indexes).toEqual([now?.index])
  consumer.session.nack(1, [
    { ...(consumer.held[0] ?? { index: 0, fence: 0 }), delayMs: 30_000, keepPlace: false, reason: '' },
  ])
  const [next] = await h.produced(1)
  await h.time.run(10)
  expect(consumer.indexes).toEqual([now?.index, next?.index])
})

test('four equal consumers get a quarter each, also when every batch is one message', async () => {
  const h = new Harness()
  const consumers = ['a', 'b', 'c', 'd'].map((name) => h.consumer(name, { credit: 10 }, { ack: true }))
  await h.time.run(10)
  for (let i = 0; i < 400; i++) {
    await h.produced(1)
    await h.time.run(1)
  }
  for (const { got } of consumers) expect(got.length).toBeGreaterThanOrEqual(88)
  for (const { got } of consumers) expect(got.length).toBeLessThanOrEqual(112)
})

test('a stalled consumer holds up only what it holds', async () => {
  const h = new Harness()
  const stalled = h.consumer('stalled', { credit: 10 })
  const others = ['a', 'b'].map((name) => h.consumer(name, { credit: 10 }, { ack: true }))
  await h.time.run(10)
  for (let i = 0; i < 100; i++) {
    await h.produced(3)
    await h.time.run(1)
  }
  await h.time.run(100)
  expect(stalled.got).toHaveLength(10)
  expect(others.reduce((n, { got }) => n + got.length, 0)).toBe(290)
})

test('a consumer whose stream is full gets nothing until it has drained', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  await h.time.run(10)
  consumer.full = true
  await h.produced(5)
  await h.time.run(1000)
  expect(consumer.got).toHaveLength(0)
  consumer.full = false
  consumer.session.drained()
  await h.time.run(1)
  expect(consumer.got).toHaveLength(5)
})

test('two groups of a channel each get everything, and a later one starts where it asked to', async () => {
  const h = new Harness()
  const first = h.consumer('a', { group: 'one' }, { ack: true })
  const second = h.consumer('b', { group: 'two' }, { ack: true })
  await h.produced(500)
  await h.time.run(100)
  const late = h.consumer('c', { group: 'three', start: { type: 'latest' } }, { ack: true })
  const early = h.consumer('d', { group: 'four', credit: 1000 }, { ack: true })
  await h.time.run(10)
  await h.produced(5)
  await h.time.run(100)
  expect(first.got).toHaveLength(505)
  expect(second.got).toHaveLength(505)
  expect(late.got).toHaveLength(5)
  expect(early.indexes).toEqual(Array.from({ length: 505 }, (_, i) => i + 1))
})

test('a cursor never passes what proposals not yet applied may still create', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  await h.produced(1, { delayMs: 5 })
  h.handle.manual = true
  // Stamped now, so due before the one above; applied only after that one is due.
  void h.produce(1)
  await h.time.run(20)
  expect(h.handle.waiting).toHaveLength(1)
  h.handle.applyNext()
  await h.time.run(20)
  h.handle.applyNext()
  await h.time.run(20)
  expect(consumer.indexes).toEqual([2, 1])
})

test('a nacked message is delivered again after its delay, with its count', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  await h.produced(1)
  await h.time.run(1)
  const [held] = consumer.held
  consumer.session.nack(2, [{ ...(held ?? { index: 0, fence: 0 }), delayMs: 500, keepPlace: false, reason: 'busy' }])
  await h.time.run(490)
  expect(consumer.got).toHaveLength(1)
  await h.time.run(260)
  expect(consumer.got).toMatchObject([{ count: 1 }, { count: 2 }])
  expect(h.topic?.groups.get('g')).toEqual({
    delivered: 2,
    redelivered: 1,
    acked: 0,
    nacked: 1,
  })
})

test('who can take nothing hears that the group has caught up once memory for the look is there', async () => {
  const h = new Harness()
  h.memory.lookAhead.reserve(LOOK_AHEAD_BYTES_MAX)
  const idle = h.consumer('a', { credit: 0 })
  await h.time.run(1_000)
  expect(idle.caughtUpAt).toEqual([])
  h.memory.lookAhead.release(LOOK_AHEAD_BYTES_MAX)
  await h.time.run(1_100)
  expect(idle.caughtUpAt).toHaveLength(1)
})

test('the group says when it has caught up, and again after each delivery', async () => {
  const h = new Harness()
  const consumer = h.consumer('a')
  await h.time.run(10)
  expect(consumer.caughtUpAt).toHaveLength(1)
  await h.produced(2, { delayMs: 100 })
  await h.time.run(50)
  expect(consumer.caughtUpAt).toHaveLength(1)
  await h.time.run(100)
  expect(consumer.got).toHaveLength(2)
  expect(consumer.caughtUpAt).toHaveLength(2)
})

test('a group with due messages and no credit has not caught up', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { credit: 1 })
  await h.time.run(10)
  await h.produced(2)
  await h.time.run(10)
  expect(consumer.caughtUpAt).toHaveLength(1)
  consumer.session.addCredit(1)
  await h.time.run(10)
  expect(consumer.caughtUpAt).toHaveLength(2)
})
