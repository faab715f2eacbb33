import { describe, expect, test } from 'vitest'
import { keepBooks } from '../../demo/keep-books.ts'
import type { AckedLine, DeliveredLine, KilledLine, Line, ProducedLine, SessionLine } from '../../demo/records.ts'

const LEASE = 5000

function produced(task: number, ackedMs = 1000 + task): ProducedLine {
  return { type: 'produced', task, offset: `o${task}`, partition: 0, dueMs: 1000, sentMs: 990, ackedMs }
}

function delivered(task: number, fence: number, more: Partial<DeliveredLine> = {}): DeliveredLine {
  return {
    type: 'delivered',
    task,
    offset: `o${task}`,
    partition: 0,
    consumer: 'w',
    dueMs: 1000,
    deliveredMs: 1001,
    receivedMs: 1002,
    deliveryCount: 1,
    fence,
    leaseMs: LEASE,
    answer: 'ack',
    ...more,
  }
}

function acked(task: number, fence: number): AckedLine {
  return { type: 'acked', task, offset: `o${task}`, fence, ackedMs: 1010 }
}

function killed(atMs: number, led: readonly number[]): KilledLine {
  return { type: 'killed', node: 'n1', atMs, partition: 0, led }
}

function session(event: 'attached' | 'broken', atMs: number, more: Partial<SessionLine> = {}): SessionLine {
  return { type: 'session', consumer: 'w', partition: 0, event, atMs, confirmedMs: atMs, graceMs: 5000, ...more }
}

const good: readonly Line[] = [
  { type: 'plan', tasks: 3 },
  ...[0, 1, 2].map((task) => produced(task)),
  ...[0, 1, 2].map((task) => delivered(task, task + 1)),
  ...[0, 1, 2].map((task) => acked(task, task + 1)),
]

describe('the bookkeeper', () => {
  test('counts acks that had to be asked again, once they are answered as any other', () => {
    const again: Line = { type: 'unanswered', task: 1, fence: 2, atMs: 1005 }
    expect(keepBooks([...good, again])).toMatchObject({ acked: 3, lost: 0, unanswered: 1, ok: true })
  })

  test('tells how many terms all partitions together came to in a minute, if they were told', () => {
    const terms = (sum: number, atMs: number): Line => ({ type: 'terms', sum, atMs })
    expect(keepBooks(good).termsPerMinute).toBeNull()
    expect(keepBooks([...good, terms(12, 1000), terms(20, 31_000)]).termsPerMinute).toBe(16)
  })

  test('has no gap to tell of a kill after which nothing was produced', () => {
    expect(keepBooks([...good, killed(900, [0]), killed(5000, [0])]).gapsMs.at(1)).toBeNull()
  })

  test('finds clean books ok', () => {
    expect(keepBooks(good)).toMatchObject({
      tasks: 3,
      acked: 3,
      lost: 0,
      early: 0,
      duplicates: 0,
      explained: 0,
      ok: true,
    })
  })

  test('misses a removed acknowledgement', () => {
    expect(keepBooks(good.slice(0, -1))).toMatchObject({ acked: 2, lost: 1, ok: false })
  })

  test('misses a task that was never produced', () => {
    expect(keepBooks(good.filter((line) => !('task' in line && line.task === 2)))).toMatchObject({ lost: 1, ok: false })
  })

  test('sees a delivery dated early', () => {
    const lines = good.map((line) =>
      line.type === 'delivered' && line.task === 1 ? { ...line, deliveredMs: 999 } : line,
    )
    expect(keepBooks(lines)).toMatchObject({ early: 1, ok: false })
  })

  test('takes an acknowledgement of another message for none', () => {
    const lines = good.map((line) => (line.type === 'acked' && line.task === 1 ? { ...line, offset: 'other' } : line))
    expect(keepBooks(lines)).toMatchObject({ lost: 1, ok: false })
  })

  const again = (more: Partial<DeliveredLine>) =>
    delivered(0, 9, { deliveredMs: 2000, receivedMs: 2001, deliveryCount: 2, ...more })
  const unsettled = good.filter((line) => !(line.type === 'acked' && line.task === 0))
  const first = (more: Partial<DeliveredLine>) =>
    unsettled.map((line) => (line.type === 'delivered' && line.task === 0 ? { ...line, ...more } : line))

  test('does not explain a second delivery without a reason', () => {
    expect(keepBooks([...unsettled, again({}), acked(0, 9)])).toMatchObject({ duplicates: 1, explained: 0, ok: false })
  })

  test('explains a second delivery by a nack', () => {
    const lines = [...first({ answer: 'nack' }), again({}), acked(0, 9)]
    expect(keepBooks(lines)).toMatchObject({ duplicates: 1, explained: 1, ok: true })
  })

  test('explains a second delivery by a lease that had ended, and not a moment before', () => {
    const at = (deliveredMs: number) =>
      keepBooks([...unsettled, again({ deliveredMs, receivedMs: deliveredMs }), acked(0, 9)])
    expect(at(1001 + LEASE)).toMatchObject({ explained: 1, ok: true })
    expect(at(1001 + LEASE - 100)).toMatchObject({ explained: 0, ok: false })
  })

  test('explains a second delivery by the kill of its partition’s leader, not of another', () => {
    const kill = (led: readonly number[]) => keepBooks([...unsettled, again({}), acked(0, 9), killed(1500, led)])
    expect(kill([0])).toMatchObject({ explained: 1, ok: true })
    expect(kill([7])).toMatchObject({ explained: 0, ok: false })
  })

  test('explains a second delivery by a session that stayed away for its grace, and only so', () => {
    // Delivered at 3000 under a lease to 8000; the leader was last certain at 2000, so that the grace ends at 7000.
    const held = first({ deliveredMs: 3000, receivedMs: 3001 })
    const judge = (sessions: readonly SessionLine[], deliveredMs = 7000) =>
      keepBooks([...held, ...sessions, again({ deliveredMs, receivedMs: deliveredMs + 1 }), acked(0, 9)])
    const broken = session('broken', 4000, { confirmedMs: 2000 })
    const explained = { duplicates: 1, explained: 1, ok: true }
    const not = { duplicates: 1, explained: 0, ok: false }
    expect(judge([session('attached', 900), broken])).toMatchObject(explained)
    expect(judge([broken, session('attached', 7500)])).toMatchObject(explained)
    expect(judge([])).toMatchObject(not)
    expect(judge([session('attached', 900)])).toMatchObject(not)
    expect(judge([broken, session('attached', 6900)]), 'back in time').toMatchObject(not)
    expect(judge([broken], 6900), 'before the grace ended').toMatchObject(not)
    expect(judge([session('broken', 2500, { confirmedMs: 2000 })]), 'broke before').toMatchObject(not)
    expect(judge([{ ...broken, consumer: 'other' }]), 'of another consumer').toMatchObject(not)
    expect(judge([{ ...broken, partition: 1 }]), 'on another partition').toMatchObject(not)
  })

  test('never explains a delivery after an acknowledgement', () => {
    const away = session('broken', 1500)
    expect(keepBooks([...good, away, again({ deliveredMs: 99_999, receivedMs: 99_999 })])).toMatchObject({
      explained: 0,
      ok: false,
    })
  })

  test('measures the silence around a kill', () => {
    const times = [1000, 1100, 1900, 2000]
    const lines: Line[] = [
      { type: 'plan', tasks: 4 },
      ...times.map((time, task) => produced(task, time)),
      killed(1150, [0]),
    ]
    expect(keepBooks(lines).gapsMs).toEqual([800])
  })
})
