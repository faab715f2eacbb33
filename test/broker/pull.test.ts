/** A Pull takes one handful of messages; its leases outlive it, also across a take-over, and nothing is leased to nobody. */
import { expect, test } from 'vitest'
import type { SandglassError } from '../../src/base/errors.ts'
import type { Answer } from '../../src/broker/lane.ts'
import { PullTurn } from '../../src/broker/pull.ts'
import type { SettleCommand } from '../../src/broker/settle-parts.ts'
import { Harness } from './harness.ts'
import { begun, group, pull, view } from './pulling.ts'

async function settle(h: Harness, command: SettleCommand): Promise<Answer> {
  return h.time.during(new Promise((resolve) => h.partition.settle(command, resolve)))
}

test('a pull takes what is due, at most its number, and an ack ends message and session', async () => {
  const h = new Harness()
  await h.produced(5)
  const first = pull(h, { max: 3 })
  await h.time.run(1)
  expect(first.got().map(({ index, count }) => [index, count])).toHaveLength(3)
  expect(view(h)).toMatchObject({ leased: 3 })
  expect(view(h)?.sessions()).toHaveLength(1)
  const answer = await settle(h, { type: 'ack', ...group, items: first.got() })
  expect(answer).toMatchObject({ type: 'reply', reply: { done: 3, lost: [] } })
  await h.time.run(1)
  expect(view(h)).toMatchObject({ leased: 0, outstanding: 0 })
  expect(view(h)?.sessions()).toEqual([])
  const rest = pull(h)
  await h.time.run(1)
  expect(rest.got()).toHaveLength(2)
})

test('a pull waits for what becomes due, and an impatient one does not', async () => {
  const h = new Harness()
  const waiting = pull(h)
  const impatient = pull(h, { impatient: true })
  await h.time.run(1)
  expect([waiting.outcome(), impatient.outcome()]).toMatchObject([undefined, { type: 'pulled', messages: [] }])
  await h.produced(1, { delayMs: 4000 })
  await h.time.run(3900)
  expect(waiting.outcome()).toBeUndefined()
  await h.time.run(200)
  expect(waiting.got()).toHaveLength(1)
})

test('an impatient pull that finds something takes it', async () => {
  const h = new Harness()
  await h.produced(2)
  const impatient = pull(h, { impatient: true })
  await h.time.run(1)
  expect(impatient.got()).toHaveLength(2)
})

test('leases of a pull run to their end, then the messages come again and the session is gone', async () => {
  const h = new Harness()
  await h.produced(2)
  const first = pull(h)
  await h.time.run(9000)
  // Longer than the grace of a stream.
  const early = pull(h, { impatient: true })
  await h.time.run(1)
  expect([first.got().length, early.got().length]).toEqual([2, 0])
  await h.time.run(1100)
  const later = pull(h, { impatient: true })
  await h.time.run(1)
  expect(later.got().map(({ count }) => count)).toEqual([2, 2])
  expect(view(h)?.sessions()).toHaveLength(1)
})

test('after a take-over leases of a pull run on, and its acks are taken', async () => {
  const h = new Harness()
  await h.produced(2)
  const first = pull(h)
  await h.time.run(1000)
  h.takeOver()
  await h.time.run(7000)
  const early = pull(h, { impatient: true })
  await h.time.run(1)
  expect(early.got()).toEqual([])
  const [one] = first.got()
  if (one === undefined) throw new Error('nothing was pulled')
  expect(await settle(h, { type: 'ack', ...group, items: [one] })).toMatchObject({ reply: { done: 1, lost: [] } })
  await h.time.run(5000)
  const later = pull(h, { impatient: true })
  await h.time.run(1)
  expect(later.got()).toMatchObject([{ count: 2 }])
})

test('an extend without a stream keeps the lease, a nack gives it back', async () => {
  const h = new Harness()
  await h.produced(1)
  const first = pull(h)
  await h.time.run(8000)
  await settle(h, { type: 'extend', ...group, leaseMs: 10_000, items: first.got() })
  // Leader's time jumps ahead; the extended lease is counted by the monotonic clock all the same.
  h.env.wallOffsetMs = 3_600_000
  h.broker.followForwardStep(h.env.wallMs())
  await h.time.run(9000)
  const early = pull(h, { impatient: true })
  await h.time.run(1)
  expect(early.got()).toEqual([])
  const items = first.got().map((item) => ({ ...item, delayMs: 0, keepPlace: false, reason: '' }))
  await settle(h, { type: 'nack', ...group, items })
  const again = pull(h, { impatient: true })
  await h.time.run(1)
  expect(again.got()).toMatchObject([{ count: 2 }])
  // The old fence is stale now.
  expect(await settle(h, { type: 'ack', ...group, items: first.got() })).toMatchObject({
    reply: { done: 0, lost: [0] },
  })
})

test.each([
  ['new', false],
  ['known', true],
])('what is leased to a pull of a %s group that nobody waits for any more returns at once', async (_, known) => {
  const h = new Harness()
  if (known) await begun(h)
  await h.produced(1)
  h.handle.manual = true
  const gone = pull(h)
  await h.time.run(1)
  if (!known) h.handle.applyNext()
  await h.time.run(1)
  // The deliver command is on its way.
  expect(gone.pull.proposed).toBe(1)
  gone.pull.end(new Error('cancelled') as SandglassError)
  h.handle.manual = false
  h.handle.applyNext()
  await h.time.run(1)
  expect(view(h)).toMatchObject({ leased: 0, waiting: 1 })
  expect(view(h)?.sessions()).toEqual([])
  const next = pull(h, { impatient: true })
  await h.time.run(1)
  expect(next.got()).toHaveLength(1)
})

test.each([
  ['new', false],
  ['known', true],
])('a wait of a %s group that ends while messages are on their way is answered with them', async (_, known) => {
  const h = new Harness()
  if (known) await begun(h)
  await h.produced(1)
  h.handle.manual = true
  const late = pull(h)
  await h.time.run(1)
  if (!known) h.handle.applyNext()
  await h.time.run(1)
  late.pull.finish()
  expect(late.outcome()).toBeUndefined()
  h.handle.manual = false
  h.handle.applyNext()
  expect(late.got()).toHaveLength(1)
})

test('a pull ends with its leadership', async () => {
  const h = new Harness()
  const waiting = pull(h)
  await h.time.run(1)
  h.takeOver()
  expect(waiting.outcome()).toMatchObject({ type: 'failed', error: { reason: 'NOT_LEADER' } })
  await h.time.run(1)
  expect(view(h)?.sessions()).toEqual([])
})

test('of pulls that share a turn one takes messages, and the others end without', async () => {
  const h = new Harness()
  const turn = new PullTurn()
  const both = [pull(h, { turn }), pull(h, { turn, group: 'other' })]
  await h.time.run(1)
  await h.produced(3)
  await h.time.run(1)
  const counts = both.map(({ got, pull }) => [got().length, pull.over])
  expect(counts.sort()).toEqual([
    [0, true],
    [3, true],
  ])
})

test('a response stays below what a gRPC client takes by default', async () => {
  const h = new Harness()
  const MIB = 1024 * 1024
  for (let i = 0; i < 6; i++) await h.produced(1, { body: Buffer.alloc(MIB + 20_000) })
  const large = pull(h)
  await h.time.run(1)
  const bytes = large.got().reduce((sum, { body }) => sum + body.length, 0)
  expect(bytes).toBeGreaterThan(MIB)
  expect(bytes).toBeLessThan(4 * MIB - 64 * 1024)
})
