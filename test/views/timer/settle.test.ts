import { describe, expect, test } from 'vitest'
import type { Granted } from '../../../src/views/timer/commands.ts'
import { G, PartitionDriver } from './partition-driver.ts'

/** Messages 1 to n, all leased by session s for 100 ms. */
function leased(n: number): { p: PartitionDriver; items: readonly Granted[] } {
  const p = new PartitionDriver()
  p.attach('s')
  return { p, items: p.deliver('s', p.produce(...Array<number>(n).fill(0))) }
}

test('the effects of a command name the sessions whose leases it ended, and no others', () => {
  const { p, items } = leased(4)
  p.attach('t')
  p.nack(items.slice(0, 1))
  expect(p.effects).toEqual([{ type: 'leasesEnded', ...G, session: 's' }])
  const others = p.again('t', [1])
  p.apply({ type: 'extend', ...G, leaseMs: 100, items })
  expect(p.effects).toEqual([{ type: 'groupChanged', ...G }])
  p.ack([...items.slice(1, 3), ...others, { index: 9, fence: 99 }])
  expect(p.effects).toEqual(['s', 't'].map((session) => ({ type: 'leasesEnded', ...G, session })))
  p.ack(others)
  expect(p.effects).toEqual([])
})

describe('ack', () => {
  test('an acknowledged message is done and never waits again', async () => {
    const { p, items } = leased(2)
    expect(p.ack(items.slice(0, 1))).toEqual([])
    expect(await p.g.stateOf(p.store, { due: 1_000, index: 1 })).toBe('done')
    expect([p.g.leased, p.g.waiting]).toEqual([1, 0])
  })

  test('committed is the position before the lowest outstanding one', () => {
    const { p, items } = leased(3)
    expect(p.g.committed).toEqual({ due: 1_000, index: 0 })
    p.ack(items.slice(1, 2))
    expect(p.g.committed).toEqual({ due: 1_000, index: 0 })
    p.ack(items.slice(0, 1))
    expect(p.g.committed).toEqual({ due: 1_000, index: 2 })
    p.ack(items.slice(2))
    expect(p.g.committed).toEqual(p.g.cursor)
  })

  test('a stale fence is lost and the others of the command take effect', () => {
    const { p, items } = leased(3)
    const [first, second, third] = items
    if (!first || !second || !third) throw new Error('three were delivered')
    p.nack([second])
    p.again('s', [2])
    expect(p.ack([first, second, { index: 9, fence: 99 }, third])).toEqual([1, 2])
    expect(p.g.leased).toBe(1)
  })

  test('an ack that is asked again is answered as the first one was, and counts once', () => {
    const { p, items } = leased(2)
    const ack = { type: 'ack', ...G, items } as const
    expect(p.apply(ack)).toEqual({ type: 'settled', lost: [], done: 2 })
    expect(p.apply(ack)).toEqual({ type: 'settled', lost: [], done: 0 })
  })

  test('a repeated ack is no excuse for a lease that was lost to another', () => {
    const { p, items } = leased(1)
    p.nack(items)
    const again = p.again('s', [1])
    expect(p.ack(again)).toEqual([])
    expect(p.ack(items)).toEqual([0])
  })

  test('a lease that ended cannot be acknowledged, though nobody else has it yet', () => {
    const { p, items } = leased(1)
    p.nack(items)
    expect(p.ack(items)).toEqual([0])
    expect(p.ack([{ index: 1, fence: 0 }])).toEqual([0])
    expect(p.effects).toEqual([])
    expect(p.ready()).toEqual([1])
  })

  test.each(['ack', 'nack', 'extend', 'expire', 'detach'] as const)('%s without the group is told so', (type) => {
    const p = new PartitionDriver()
    const command = { ...G, items: [], leaseMs: 1, session: 's' }
    expect(p.apply({ ...command, type })).toEqual({ type: 'groupNotFound' })
  })
})

describe('nack', () => {
  test('with a delay the message comes back after it, uncounted until then', () => {
    const { p, items } = leased(1)
    p.nack(items, { delayMs: 30 })
    expect([p.g.outstanding, p.g.waiting, p.g.nextReadyAt()]).toEqual([0, 1, p.at + 30])
    p.pass(29)
    expect(p.ready()).toEqual([])
    p.pass(1)
    expect(p.ready()).toEqual([1])
    expect(p.g.ready(p.at + 5, 10)).toHaveLength(1)
  })

  test('without a delay it comes behind what ran out, in its own place before', () => {
    const { p, items } = leased(3)
    p.pass(1)
    p.nack(items.slice(0, 1))
    p.nack(items.slice(1, 2), { keepPlace: true })
    p.nack(items.slice(2), { keepPlace: true })
    expect(p.ready()).toEqual([2, 3, 1])
  })

  test('its reason is kept until the next delivery', async () => {
    const { p, items } = leased(2)
    p.nack(items, { reason: 'kaputt: ß' })
    await p.reload()
    expect(await p.g.reason(p.store, 1)).toBe('kaputt: ß')
    p.again('s', [1])
    expect(await p.g.reason(p.store, 1)).toBeUndefined()
    expect(await p.g.reason(p.store, 2)).toBe('kaputt: ß')
    expect(p.store.tagged('r')).toBe(1)
  })
})

describe('extend', () => {
  test('the lease then ends so long after now, and the new deadline is told', () => {
    const { p, items } = leased(1)
    p.pass(60)
    expect(p.apply({ type: 'extend', ...G, leaseMs: 100, items })).toEqual({
      type: 'settled',
      lost: [],
      done: 1,
      deadline: p.at + 100,
    })
    expect([...p.g.leases()]).toMatchObject([{ deadline: p.at + 100, leaseMs: 100 }])
  })

  test('a lost lease is not extended', () => {
    const { p, items } = leased(1)
    p.nack(items)
    const reply = p.expect('settled', { type: 'extend', ...G, leaseMs: 100, items })
    expect(reply.lost).toEqual([0])
    expect(p.g.leased).toBe(0)
  })
})

describe('expire', () => {
  test('a lease that ran out is given back at its own place', () => {
    const { p, items } = leased(2)
    p.pass(100)
    const due = p.g.expired(p.at, 10)
    expect(due.map((lease) => lease.index)).toEqual([1, 2])
    expect(p.apply({ type: 'expire', ...G, items: due })).toEqual({ type: 'settled', lost: [], done: 2 })
    expect(p.ready()).toEqual([1, 2])
    expect(p.ack(items)).toEqual([0, 1])
  })

  test('if the deadline moved, the lease stays', () => {
    const { p, items } = leased(1)
    const [before] = p.g.expired(Number.MAX_SAFE_INTEGER, 1)
    if (!before) throw new Error('one was delivered')
    p.pass(50)
    p.apply({ type: 'extend', ...G, leaseMs: 100, items })
    p.pass(50)
    expect(p.apply({ type: 'expire', ...G, items: [before] })).toEqual({ type: 'settled', lost: [0], done: 0 })
    expect(p.g.leased).toBe(1)
  })

  test('before its deadline a lease stays, whoever says it ran out', () => {
    const { p } = leased(1)
    const [lease] = p.g.expired(Number.MAX_SAFE_INTEGER, 1)
    if (!lease) throw new Error('one was delivered')
    p.pass(99)
    expect(p.apply({ type: 'expire', ...G, items: [lease] })).toEqual({ type: 'settled', lost: [0], done: 0 })
  })

  test('leases are listed by deadline', () => {
    const p = new PartitionDriver()
    p.attach('s')
    const [a, b] = p.produce(0, 0)
    if (!a || !b) throw new Error('two were produced')
    p.deliver('s', [a], 50)
    p.deliver('s', [b], 20)
    expect(p.g.nextDeadline()).toBe(p.at + 20)
    expect(p.g.expired(p.at + 50, 10).map((lease) => lease.index)).toEqual([2, 1])
    expect(p.g.expired(p.at + 49, 10).map((lease) => lease.index)).toEqual([2])
    expect(p.g.expired(p.at + 50, 1).map((lease) => lease.index)).toEqual([2])
  })
})
