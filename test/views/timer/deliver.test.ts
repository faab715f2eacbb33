import { describe, expect, test } from 'vitest'
import { OUTSTANDING_MAX } from '../../../src/base/limits.ts'
import type { NewMessage, Position } from '../../../src/views/timer/commands.ts'
import { G, PartitionDriver, text } from './partition-driver.ts'

const START = { due: 0, index: 0 }

function driver(...delays: readonly number[]): { p: PartitionDriver; positions: readonly Position[] } {
  const p = new PartitionDriver()
  p.attach('s')
  return { p, positions: p.produce(...delays) }
}

describe('deliver', () => {
  test('new positions become leases with a fence each, and the cursor moves', () => {
    const { p, positions } = driver(0, 0)
    const items = p.deliver('s', positions, 250)
    expect(items.map(({ index, count }) => [index, count])).toEqual([
      [1, 1],
      [2, 1],
    ])
    expect(new Set(items.map((item) => item.fence)).size).toBe(2)
    expect(p.g.cursor).toEqual(positions[1])
    expect([...p.g.leases('s')].map((lease) => [lease.deadline, lease.leaseMs, lease.session]).sort()).toEqual([
      [p.at + 250, 250, 's'],
      [p.at + 250, 250, 's'],
    ])
    expect(p.effects).toEqual([{ type: 'groupChanged', ...G }])
  })

  test('every delivery has a higher fence than those before it, over all groups', () => {
    const { p, positions } = driver(0, 0)
    p.apply({ type: 'attach', channel: 'master', group: 'h', consumer: 'c', session: 't', start: { type: 'earliest' } })
    const mine = p.deliver('s', positions)
    const run = { session: 't', leaseMs: 1, positions, again: [] }
    const to = positions[1] ?? START
    const other = p.expect('delivered', {
      type: 'deliver',
      channel: 'master',
      group: 'h',
      after: START,
      to,
      runs: [run],
      parked: [],
    })
    const theirs = other.runs[0]?.items ?? []
    expect(Math.min(...theirs.map((item) => item.fence))).toBeGreaterThan(Math.max(...mine.map((item) => item.fence)))
  })

  test('a command computed from another cursor changes nothing', () => {
    const { p, positions } = driver(0, 0)
    p.deliver('s', positions.slice(0, 1))
    const run = { session: 's', leaseMs: 100, positions, again: [] }
    const reply = p.apply({ type: 'deliver', ...G, after: START, to: positions[1] ?? START, runs: [run], parked: [] })
    expect(reply).toEqual({ type: 'stale', cursor: positions[0] })
    expect(p.g.leased).toBe(1)
  })

  test('nothing goes out before at-prime has reached its due time', () => {
    const { p, positions } = driver(10)
    const run = { session: 's', leaseMs: 100, positions, again: [] }
    const early = { type: 'deliver', ...G, after: START, to: positions[0] ?? START, runs: [run], parked: [] } as const
    p.pass(9)
    expect(p.apply(early).type).toBe('stale')
    p.pass(1)
    expect(p.apply(early).type).toBe('delivered')
  })

  test('the cursor goes neither back nor beyond the last index', () => {
    const { p, positions } = driver(0)
    p.deliver('s', positions)
    const command = { type: 'deliver', ...G, after: p.g.cursor, runs: [], parked: [] } as const
    expect(p.apply({ ...command, to: START }).type).toBe('stale')
    expect(p.apply({ ...command, to: { due: p.at, index: 2 } }).type).toBe('stale')
    expect(p.g.cursor).toEqual(positions[0])
    p.pass(10)
    p.produce(0)
    expect(p.apply({ ...command, to: { due: p.at - 1, index: 9 } }).type).toBe('stale')
    p.produce(0)
  })

  test('the cursor does not go back among messages that are due at the same time either', () => {
    const { p, positions } = driver(0, 0)
    const [first, second] = positions
    if (first === undefined || second === undefined) throw new Error('two were produced')
    p.deliver('s', positions)
    const command = { type: 'deliver', ...G, after: p.g.cursor, runs: [], parked: [] } as const
    expect(p.apply({ ...command, to: first }).type).toBe('stale')
    expect(p.g.cursor).toEqual(second)
  })

  test('positions outside the range, done, leased or named twice are dropped', () => {
    const { p, positions } = driver(0, 0, 5, 5)
    const [done, first, second, third] = positions
    if (!done || !first || !second || !third) throw new Error('four were produced')
    p.pass(5)
    p.ack(p.deliver('s', [done]))
    p.deliver('s', [first])
    const never = { due: second.due - 1, index: 99 }
    const { runs } = p.tryDeliver({
      to: second,
      runs: [{ session: 's', leaseMs: 100, positions: [done, first, never, second, third, second], again: [2] }],
      parked: [done, second, third],
    })
    expect(runs[0]?.items.map((item) => item.index)).toEqual([3])
    expect([p.g.leased, p.g.waiting, p.g.pending]).toEqual([2, 0, 1])
  })

  test('parked positions wait at their own place, undelivered', () => {
    const { p, positions } = driver(0, 0)
    p.tryDeliver({ to: positions[1] ?? START, parked: positions })
    expect(p.g.ready(p.at, 10)).toEqual([
      { due: 1_000, index: 1, notBefore: 1_000, count: 0 },
      { due: 1_000, index: 2, notBefore: 1_000, count: 0 },
    ])
    expect(p.again('s', [1]).map((item) => item.count)).toEqual([1])
    expect(p.g.pending).toBe(0)
  })

  test('what was meant for a session that is gone waits and is not granted', () => {
    const { p, positions } = driver(0, 0)
    const [first, second] = positions
    if (!first || !second) throw new Error('two were produced')
    const { runs } = p.tryDeliver({
      to: second,
      runs: [
        { session: 'gone', leaseMs: 100, positions: [first], again: [] },
        { session: 's', leaseMs: 100, positions: [second], again: [] },
      ],
    })
    expect(runs.map((run) => [run.session, run.items.length])).toEqual([
      ['gone', 0],
      ['s', 1],
    ])
    expect(p.ready()).toEqual([1])
  })

  test('a redelivery must be outstanding, waiting, and due again', () => {
    const { p, positions } = driver(0, 0, 0)
    const [a, b] = p.deliver('s', positions)
    if (!a || !b) throw new Error('three were delivered')
    p.nack([a], { delayMs: 10 })
    p.ack([b])
    expect(p.again('s', [1, 2, 3, 4])).toEqual([])
    p.pass(10)
    expect(p.again('s', [1, 1])).toMatchObject([{ index: 1, count: 2 }])
  })

  test('an endless lease has no deadline to be waited for', () => {
    const { p, positions } = driver(0)
    p.deliver('s', positions, Number.POSITIVE_INFINITY)
    expect(p.g.nextDeadline()).toBeUndefined()
    expect(p.g.expired(Number.MAX_SAFE_INTEGER, 10)).toEqual([])
  })

  test('messages produced later sort after everything handed out', () => {
    const { p, positions } = driver(0)
    p.deliver('s', positions)
    const late = p.expect('produced', {
      type: 'produce',
      messages: [{ channel: 'master', body: text('x'), deliverAt: 1 }],
    })
    expect(late.positions).toEqual([{ due: 1_000, index: 2 }])
    expect(p.deliver('s', late.positions)).toHaveLength(1)
  })

  test('without the group there is nothing to deliver to', () => {
    const p = new PartitionDriver()
    expect(p.apply({ type: 'deliver', ...G, after: START, to: START, runs: [], parked: [] })).toEqual({
      type: 'groupNotFound',
    })
  })
})

describe('the bound on what is outstanding', () => {
  const FRAME = 10_000

  function full(): { p: PartitionDriver; indexes: { index: number; fence: number }[]; more: readonly Position[] } {
    const p = new PartitionDriver()
    p.attach('s')
    const messages = Array.from({ length: FRAME }, (): NewMessage => ({ channel: 'master', body: text('m') }))
    const indexes: { index: number; fence: number }[] = []
    for (let i = 0; i < OUTSTANDING_MAX / FRAME; i++) {
      const { positions } = p.expect('produced', { type: 'produce', messages })
      for (const { index, fence } of p.deliver('s', positions)) indexes.push({ index, fence })
    }
    return { p, indexes, more: p.produce(0, 0) }
  }

  test('at the bound the cursor waits, and an ack makes room', () => {
    const { p, indexes, more } = full()
    expect(p.g.outstanding).toBe(OUTSTANDING_MAX)
    expect(() => p.deliver('s', more.slice(0, 1))).toThrow('stale')
    p.ack(indexes.slice(0, 1))
    expect(p.deliver('s', more.slice(0, 1))).toHaveLength(1)
    expect(() => p.tryDeliver({ to: more[1] ?? START, parked: more.slice(1) })).toThrow('stale')
  })

  test('a redelivery passes at the bound, since it counts already', () => {
    const { p, indexes } = full()
    p.nack(indexes.slice(0, 1))
    expect(p.g.outstanding).toBe(OUTSTANDING_MAX)
    expect(p.again('s', [1])).toHaveLength(1)
  })

  test('a delayed redelivery holds no room until it is due', () => {
    const { p, indexes, more } = full()
    p.nack(indexes.slice(0, 1), { delayMs: 10 })
    expect(p.g.outstanding).toBe(OUTSTANDING_MAX - 1)
    expect(p.deliver('s', more.slice(0, 1))).toHaveLength(1)
    p.pass(10)
    expect(() => p.deliver('s', more.slice(1))).toThrow('stale')
    expect(p.again('s', [1])).toHaveLength(1)
  })
})
