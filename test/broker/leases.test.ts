/** When leases end, and when they must not: deadlines, take-over, streams that go and come back. */
import { expect, test } from 'vitest'
import { type Consumer, Harness } from './harness.ts'

const spec = { leaseMs: 10_000 }
const group = { channel: 'master', group: 'g' }

/** A consumer that holds all `count` messages there are. */
async function leased(count = 1): Promise<{ h: Harness; consumer: Consumer }> {
  const h = new Harness()
  const consumer = h.consumer('a', spec)
  await h.produced(count)
  return { h, consumer }
}

test('a leased message whose lease runs out is delivered again', async () => {
  const { h, consumer } = await leased()
  await h.time.run(9990)
  expect(consumer.got).toHaveLength(1)
  await h.time.run(100)
  expect(consumer.got).toMatchObject([{ count: 1 }, { count: 2 }])
  consumer.session.ack(1, consumer.held.slice(0, 1))
  await h.time.run(1)
  expect(consumer.answers).toEqual([{ id: 1, lost: [0] }])
})

test('a delivery that took long to store says when its lease began, so that it never ends before that and its length', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', spec)
  await h.time.run(1)
  const began = h.env.wallMs()
  h.handle.manual = true
  void h.produce()
  await h.time.run(1)
  h.handle.applyNext()
  await h.time.run(1)
  await h.time.run(1200)
  h.handle.applyNext()
  await h.time.run(1)
  expect(consumer.got).toHaveLength(1)
  // Another leader will end it then.
  expect(consumer.batches[0]?.deliveredMs).toBe(began + 1)
})

test('time that runs fast ends no lease early', async () => {
  const { h, consumer } = await leased()
  await h.time.run(1)
  h.env.wallOffsetMs = 3_600_000
  h.broker.followForwardStep(h.env.wallMs())
  // Wakes the group, which sees that the deadline has passed.
  await h.produced(1)
  await h.time.run(9900)
  expect(consumer.indexes).toEqual([1, 2])
  await h.time.run(100)
  expect(consumer.indexes.slice(0, 3)).toEqual([1, 2, 1])
})

test('an extend counts from when it was applied', async () => {
  const { h, consumer } = await leased()
  await h.time.run(8000)
  consumer.session.extend(1, consumer.held, 10_000)
  await h.time.run(9900)
  expect(consumer.got).toHaveLength(1)
  await h.time.run(200)
  expect(consumer.got).toHaveLength(2)
})

test('an extend that is applied while time runs fast runs its whole length', async () => {
  const { h, consumer } = await leased()
  await h.time.run(8000)
  consumer.session.extend(1, consumer.held, 10_000)
  await h.time.run(1)
  h.env.wallOffsetMs = 3_600_000
  h.broker.followForwardStep(h.env.wallMs())
  await h.produced(1)
  await h.time.run(9900)
  expect(consumer.indexes).toEqual([1, 2])
  await h.time.run(100)
  expect(consumer.indexes.slice(0, 3)).toEqual([1, 2, 1])
})

test('an endless lease does not end', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { leaseMs: Number.POSITIVE_INFINITY })
  await h.produced(1)
  await h.time.run(48 * 3_600_000)
  expect(consumer.got).toHaveLength(1)
})

test('after a take-over a lease whose stream came back runs until min(remaining + clock skew, its length)', async () => {
  const { h, consumer } = await leased()
  await h.time.run(6000)
  h.takeOver()
  expect(consumer.ended?.reason).toBe('NOT_LEADER')
  const back = h.consumer('a', { ...spec, holds: consumer.held })
  await h.time.run(5900)
  expect(back.attached?.kept).toMatchObject(consumer.held)
  expect(back.got).toHaveLength(0)
  await h.time.run(200)
  expect(back.got).toMatchObject([{ count: 2 }])
})

test('after a take-over no lease runs longer than its length', async () => {
  const { h, consumer } = await leased()
  await h.time.run(100)
  h.takeOver()
  const back = h.consumer('a', { ...spec, holds: consumer.held })
  await h.time.run(9900)
  expect(back.got).toHaveLength(0)
  await h.time.run(200)
  expect(back.got).toHaveLength(1)
})

test('after a take-over a session that does not come back loses its leases after the grace', async () => {
  const h = new Harness()
  h.consumer('a', spec)
  await h.produced(1)
  await h.time.run(100)
  h.takeOver()
  const other = h.consumer('b', spec)
  await h.time.run(4900)
  expect(other.got).toHaveLength(0)
  await h.time.run(200)
  expect(other.got).toMatchObject([{ count: 2 }])
})

test('a reattaching stream keeps what it lists, and the rest is delivered again at once', async () => {
  const { h, consumer } = await leased(3)
  await h.time.run(100)
  h.takeOver()
  const back = h.consumer('a', { ...spec, holds: consumer.held.slice(0, 1) })
  await h.time.run(10)
  expect(back.attached?.kept).toMatchObject(consumer.held.slice(0, 1))
  expect(back.indexes).toEqual([2, 3])
})

test('a stream that breaks keeps its leases for the grace, then they return', async () => {
  const { h, consumer } = await leased()
  await h.time.run(10)
  consumer.session.close(false)
  const other = h.consumer('b', spec)
  await h.time.run(4900)
  expect(other.got).toHaveLength(0)
  await h.time.run(200)
  expect(other.got).toHaveLength(1)
  expect(h.handle.view.group(group)?.sessions()).toHaveLength(1)
})

test('a lease that ends before the grace does not wait for it', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { leaseMs: 1000 })
  await h.produced(1)
  await h.time.run(10)
  consumer.session.close(false)
  const other = h.consumer('b', spec)
  await h.time.run(1100)
  expect(other.got).toHaveLength(1)
})

test('a consumer that unsubscribes gives everything back at once', async () => {
  const { h, consumer } = await leased(2)
  await h.time.run(10)
  consumer.session.close(true)
  const other = h.consumer('b', spec)
  await h.time.run(10)
  expect(other.indexes).toEqual([1, 2])
})

test('a detach that is refused is tried again', async () => {
  const { h, consumer } = await leased()
  await h.time.run(10)
  h.handle.refuse = 'OVERLOADED'
  consumer.session.close(true)
  await h.time.run(100)
  h.handle.refuse = undefined
  const other = h.consumer('b', spec)
  await h.time.run(200)
  expect(other.got).toHaveLength(1)
})

test('a leader of a new term knows nothing of the streams of the old', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', spec)
  await h.time.run(10)
  h.handle.change({ term: 2 })
  expect(consumer.ended?.reason).toBe('NOT_LEADER')
})

test('an attachment that is applied after the leadership it was made in ends with NOT_LEADER', async () => {
  const h = new Harness()
  h.handle.manual = true
  const consumer = h.consumer('a', spec)
  await h.time.run(1)
  h.handle.change({ term: 2 })
  h.handle.applyNext()
  expect(consumer.attached).toBeUndefined()
  expect(consumer.ended?.reason).toBe('NOT_LEADER')
})

test('a session that comes back within the grace is not detached later', async () => {
  const { h, consumer } = await leased()
  await h.time.run(10)
  consumer.session.close(false)
  await h.time.run(4999)
  const back = h.consumer('a', { ...spec, holds: consumer.held })
  await h.time.run(1000)
  expect(back.attached?.kept).toHaveLength(1)
  expect(back.got).toHaveLength(0)
  expect(h.handle.view.group(group)?.sessions()).toMatchObject([{ consumer: 'a', leased: 1 }])
})

test('a session that was refused is not detached after its grace', async () => {
  const { h, consumer } = await leased()
  await h.time.run(1)
  h.handle.refuse = 'OVERLOADED'
  const refused = h.consumer('b', spec)
  await h.time.run(1)
  expect([consumer.got.length, refused.ended?.reason]).toEqual([1, 'OVERLOADED'])
  h.handle.refuse = undefined
  const before = h.handle.proposed.length
  await h.time.run(9000)
  expect(h.handle.proposed.length).toBe(before)
})

test('a session whose attachment is on its way when its grace ends is not detached behind it', async () => {
  const { h, consumer } = await leased()
  await h.time.run(10)
  consumer.session.close(false)
  await h.time.run(4990)
  h.handle.manual = true
  const back = h.consumer('a', { ...spec, holds: consumer.held })
  await h.time.run(100)
  h.handle.manual = false
  h.handle.applyNext()
  await h.time.run(100)
  expect(back.attached?.kept).toHaveLength(1)
  expect(h.handle.view.group(group)?.sessions()).toMatchObject([{ consumer: 'a', leased: 1 }])
})

test('a newer session of a consumer replaces the older, whose stream is told so', async () => {
  const h = new Harness()
  const older = h.consumer('a', spec)
  await h.produced(1)
  await h.time.run(10)
  const newer = h.consumer('a', { ...spec, session: 'f'.repeat(32) })
  await h.time.run(10)
  expect(older.ended?.reason).toBe('SESSION_REPLACED')
  expect(newer.got).toMatchObject([{ count: 2 }])
})

test('a second stream of the same session takes over from the first', async () => {
  const h = new Harness()
  const first = h.consumer('a', spec)
  await h.produced(1)
  await h.time.run(10)
  const second = h.consumer('a', { ...spec, holds: first.held })
  await h.time.run(6000)
  expect(first.ended?.reason).toBe('SESSION_REPLACED')
  expect(second.attached?.kept).toHaveLength(1)
  await h.produced(1)
  await h.time.run(10)
  expect(second.indexes).toEqual([2])
})

test('marks are echoed only when a quorum confirmed the leader', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', spec)
  await h.time.run(10)
  consumer.session.marked(1)
  expect(consumer.marks).toEqual([1])
  h.handle.readOutcome = { type: 'refused', reason: 'NO_QUORUM' }
  consumer.session.marked(2)
  expect(consumer.marks).toEqual([1])
  h.handle.readOutcome = { type: 'ok' }
  consumer.session.marked(3)
  await h.produced(1)
  await h.time.run(10)
  expect(consumer.batches[0]?.mark).toBe(3)
})

test('a delivery names the newest mark echoed when its lease was stamped, not when it was stored', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', spec)
  await h.time.run(10)
  consumer.session.marked(1)
  h.handle.manual = true
  const produced = h.produce(1)
  await h.time.run(10)
  h.handle.applyNext()
  await h.time.during(produced)
  await h.time.run(10)
  expect(h.handle.waiting).toHaveLength(1)
  consumer.session.marked(2)
  await h.time.run(2500)
  h.handle.applyNext()
  await h.time.run(10)
  expect(consumer.marks).toEqual([1, 2])
  expect(consumer.batches.map(({ mark }) => mark)).toEqual([1])
})

test('a session that comes back while its detachment is refused stays attached', async () => {
  const { h, consumer } = await leased()
  await h.time.run(10)
  consumer.session.close(false)
  await h.time.run(4980)
  h.handle.refuse = 'OVERLOADED'
  const { length } = h.handle.proposed
  await h.time.until(() => h.handle.proposed.length > length)
  h.handle.refuse = undefined
  const back = h.consumer('a', { ...spec, holds: consumer.held })
  await h.time.run(200)
  await h.produced(1)
  await h.time.run(10)
  expect(h.handle.view.group(group)?.sessions()).toHaveLength(1)
  expect(back.indexes).toEqual([2])
})

test('a refused detachment is not tried again behind an attachment that is on its way', async () => {
  const { h, consumer } = await leased()
  h.consumer('other', spec)
  await h.time.run(10)
  consumer.session.close(false)
  await h.time.run(4980)
  h.handle.manual = true
  await h.time.until(() => h.handle.waiting.length === 1)
  const back = h.consumer('a', { ...spec, holds: consumer.held })
  await h.time.run(1)
  h.handle.waiting.shift()?.done({ type: 'refused', reason: 'OVERLOADED' })
  await h.time.run(100)
  h.handle.manual = false
  h.handle.applyNext()
  await h.time.run(100)
  expect(back.attached?.kept).toMatchObject(consumer.held)
  expect(h.handle.view.group(group)?.sessions()).toHaveLength(2)
})

test('what falls due while a newer stream of the session is being attached reaches that stream', async () => {
  const h = new Harness()
  const endless = { leaseMs: Number.POSITIVE_INFINITY }
  const first = h.consumer('a', endless)
  await h.produced(1, { delayMs: 100 })
  await h.time.run(50)
  h.handle.manual = true
  const second = h.consumer('a', endless)
  await h.time.run(1)
  const third = h.consumer('a', endless)
  await h.time.run(1)
  h.handle.applyNext(1)
  await h.time.run(100)
  h.handle.manual = false
  h.handle.applyNext()
  await h.time.run(10)
  expect([first, second].map(({ ended }) => ended?.reason)).toEqual(['SESSION_REPLACED', 'SESSION_REPLACED'])
  expect(third.indexes).toEqual([1])
})

test.each([[true], [false]])(
  'an older stream that ends while a newer one of its session is being attached takes nothing from it (clean: %s)',
  async (clean) => {
    const { h, consumer } = await leased()
    await h.time.run(10)
    h.handle.manual = true
    const second = h.consumer('a', { ...spec, holds: consumer.held })
    await h.time.run(1)
    consumer.session.close(clean)
    await h.time.run(6000)
    h.handle.manual = false
    h.handle.applyNext()
    await h.time.run(10)
    expect(second.attached?.kept).toMatchObject(consumer.held)
    expect(h.handle.view.group(group)?.sessions()).toMatchObject([{ consumer: 'a', leased: 1 }])
  },
)

test('the older stream goes on when the newer one of its session is not attached', async () => {
  const h = new Harness()
  const first = h.consumer('a', spec)
  await h.produced(1, { delayMs: 100 })
  await h.time.run(50)
  h.handle.manual = true
  const second = h.consumer('a', spec)
  await h.time.run(100)
  h.handle.manual = false
  h.handle.waiting.shift()?.done({ type: 'refused', reason: 'OVERLOADED' })
  h.handle.applyNext()
  await h.time.run(10)
  expect(second.ended?.reason).toBe('OVERLOADED')
  expect(first.indexes).toEqual([1])
})
