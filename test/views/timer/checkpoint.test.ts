import { describe, expect, test } from 'vitest'
import { createTimerView } from '../../../src/views/timer/timer-view.ts'
import { flush } from '../flushed.ts'
import { reload } from '../reload.ts'
import { G, PartitionDriver } from './partition-driver.ts'

describe('rows', () => {
  test('what is delivered and acknowledged between two checkpoints costs no row', () => {
    const p = new PartitionDriver()
    p.attach('s')
    const positions = p.produce(0, 0, 0, 0)
    const rows = p.store.rows.size
    const items = p.deliver('s', positions)
    p.ack(items.slice(0, 2))
    p.nack(items.slice(2), { delayMs: 5 })
    p.pass(5)
    p.ack(p.again('s', [3, 4]))
    expect(p.store.rows.size).toBe(rows)
    flush(p.view, p.store)
    expect(p.store.tagged('o')).toBe(0)
  })

  test('a second flush writes only what changed since', () => {
    const p = new PartitionDriver()
    p.attach('s')
    p.deliver('s', p.produce(0))
    flush(p.view, p.store)
    const before = new Map(p.store.rows)
    flush(p.view, p.store)
    const rewritten = [...p.store.rows].filter(([key, value]) => before.get(key) !== value).map(([key]) => key)
    expect(rewritten).toEqual(['a'])
    const leases = p.store.get('o\0\0\0\0\0\0\0\0')
    p.attach('t')
    flush(p.view, p.store)
    expect(leases?.length).toBeGreaterThan(0)
    expect(p.store.get('o\0\0\0\0\0\0\0\0')).toBe(leases)
  })

  test('rows of outstanding messages that are done go', async () => {
    const p = new PartitionDriver()
    p.attach('s')
    const items = p.deliver('s', p.produce(...Array<number>(9_000).fill(0)))
    flush(p.view, p.store)
    expect(p.store.tagged('o')).toBe(3)
    p.ack(items.slice(0, 8_000))
    flush(p.view, p.store)
    expect(p.store.tagged('o')).toBe(1)
    await p.reload()
    expect(p.ack(items.slice(8_000))).toEqual([])
    flush(p.view, p.store)
    expect(p.store.tagged('o')).toBe(0)
  })

  test('a channel remembers the highest cursor that any of its groups had', () => {
    const p = new PartitionDriver()
    p.attach('s')
    p.deliver('s', p.produce(0, 0, 9).slice(0, 2))
    p.apply({ type: 'attach', channel: 'master', group: 'h', consumer: 'c', session: 's', start: { type: 'earliest' } })
    flush(p.view, p.store)
    // Name, three messages, cursor at due 1,000 and index 2 (docs/formats.md).
    const row = Uint8Array.of(6, ...Buffer.from('master'), 3, 0xe8, 7, 2)
    expect(Buffer.from(p.store.get('c\0\0\0\0') ?? []).toString('hex')).toBe(Buffer.from(row).toString('hex'))
  })

  test('memory of many outstanding messages is given back', () => {
    const p = new PartitionDriver()
    p.attach('s')
    const empty = p.view.bytes()
    const items = p.deliver('s', p.produce(...Array<number>(50_000).fill(0)))
    expect(p.view.bytes()).toBeGreaterThan(empty + 50_000 * 60)
    p.ack(items)
    flush(p.view, p.store)
    expect(p.view.bytes()).toBeLessThan(empty + 50_000 * 20)
    expect(p.deliver('s', p.produce(...Array<number>(5_000).fill(0)))).toHaveLength(5_000)
    expect(p.g.leased).toBe(5_000)
  })
})

describe('load', () => {
  test('everything is as before the checkpoint: leases, sessions, counters, channels', async () => {
    const p = new PartitionDriver()
    p.attach('s')
    const positions = p.produce(0, 0, 0, 70)
    const items = p.deliver('s', positions.slice(0, 2), Number.POSITIVE_INFINITY)
    p.tryDeliver({ to: positions[2] ?? p.g.cursor, parked: positions.slice(2, 3) })
    p.apply({ type: 'attach', channel: 'other', group: 'h', consumer: 'c', session: 't', start: { type: 'latest' } })
    const seen = () => ({
      index: p.view.lastIndex,
      count: p.view.messageCount,
      channels: p.view.channels().map((channel) => [channel, p.view.channelMessages(channel)]),
      groups: [...p.view.groups()].map((g) => [g.channel, g.group, g.cursor, g.committed, g.pending, g.sessions()]),
      leases: [...p.g.leases()].sort((a, b) => a.index - b.index),
      ready: p.g.ready(p.at, 10),
    })
    const before = seen()
    await p.reload()
    expect(seen()).toEqual(before)
    expect(p.ack(items)).toEqual([])
    expect(p.again('s', [3])[0]?.fence).toBe(3)
    expect(p.produce(0)).toEqual([{ due: 1_000, index: 5 }])
  })

  test('time does not go back behind a load', async () => {
    const p = new PartitionDriver()
    p.produce(0)
    await p.reload()
    p.at -= 1
    expect(() => p.produce(0)).toThrow('never goes back')
  })

  test('it replaces what was in memory', async () => {
    const full = new PartitionDriver()
    full.attach('s')
    full.produce(0)
    const empty = new PartitionDriver()
    await reload(full.view, empty.store)
    expect([full.view.lastIndex, full.view.channels(), full.view.group(G)]).toEqual([0, [], undefined])
  })

  test('an empty view is loaded from no rows', async () => {
    const view = await reload(createTimerView(), new PartitionDriver().store)
    expect([view.lastIndex, view.messageCount, [...view.groups()]]).toEqual([0, 0, []])
  })

  test('rows of another version are refused', async () => {
    const p = new PartitionDriver()
    flush(p.view, p.store)
    p.store.put('a', Uint8Array.of(2, 0, 0, 0, 0, 0))
    await expect(createTimerView().load(p.store, 0)).rejects.toThrow('timer rows of version 2 are unknown')
  })
})
