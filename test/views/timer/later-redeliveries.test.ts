/** Redeliveries far ahead lie in the store: they cost no memory, no credit, and none is lost on the way. */
import { describe, expect, test } from 'vitest'
import { OUTSTANDING_MAX } from '../../../src/base/limits.ts'
import type { NewMessage } from '../../../src/views/timer/commands.ts'
import { createTimerView } from '../../../src/views/timer/timer-view.ts'
import { flush } from '../flushed.ts'
import { reload } from '../reload.ts'
import { G, PartitionDriver, text } from './partition-driver.ts'

const FRAME = 10_000
const SPREAD_MS = 40_000

/** Messages 1 to n, nacked with delays that are spread over 40 s in no order. */
function delayed(n: number, delayOf = spread): PartitionDriver {
  const p = new PartitionDriver()
  p.attach('s')
  for (let i = 0; i < n / FRAME; i++) addDelayed(p, FRAME, delayOf)
  return p
}

function addDelayed(p: PartitionDriver, count: number, delayOf = spread): void {
  const messages = Array.from({ length: count }, (): NewMessage => ({ channel: 'master', body: text('m') }))
  const { positions } = p.expect('produced', { type: 'produce', messages })
  const items = p.deliver('s', positions).map(({ index, fence }) => {
    return { index, fence, delayMs: delayOf(index), keepPlace: false, reason: '' }
  })
  expect(p.expect('settled', { type: 'nack', ...G, items }).lost).toEqual([])
}

function spread(index: number): number {
  return 1 + ((index * 7_919) % SPREAD_MS)
}

/** Lets the time pass in steps, delivers and acknowledges what is due; the indexes in order. */
async function drain(p: PartitionDriver, until: number): Promise<number[]> {
  const seen: number[] = []
  const end = p.at + until
  while (p.at < end) {
    p.pass(500)
    for (;;) {
      const ready = await p.thawed(p.at, 1_000)
      if (ready.length === 0) break
      const items = p.again(
        's',
        ready.map((waiting) => waiting.index),
      )
      expect(items).toHaveLength(ready.length)
      for (const waiting of ready) {
        expect(waiting.notBefore).toBe(1_000 + spread(waiting.index))
        seen.push(waiting.index)
      }
      p.ack(items)
    }
  }
  return seen
}

describe('later redeliveries', () => {
  test('beyond a small number they lie in the store, and all come back when they are due', async () => {
    const p = delayed(40_000)
    expect([p.g.waiting, p.g.outstanding, p.g.leased]).toEqual([40_000, 0, 0])
    expect(p.store.tagged('b')).toBeGreaterThan(5)
    const first = await drain(p, 20_000)
    await p.reload()
    expect(p.g.waiting).toBe(40_000 - first.length)
    const all = [...first, ...(await drain(p, 21_000))]
    expect(all).toHaveLength(40_000)
    expect(new Set(all).size).toBe(40_000)
    expect(p.g.waiting).toBe(0)
    await p.reload()
    expect(p.store.tagged('b') + p.store.tagged('o')).toBe(0)
    expect(p.g.committed).toEqual(p.g.cursor)
  })

  test('memory does not grow with them', () => {
    const few = delayed(30_000)
    const many = delayed(90_000)
    flush(few.view, few.store)
    flush(many.view, many.store)
    expect(many.view.bytes()).toBeLessThan(few.view.bytes() * 1.1)
  })

  test('memory stays small while they come back, whether commands are applied or only questions asked', async () => {
    const p = delayed(150_000)
    flush(p.view, p.store)
    const before = p.view.bytes()
    for (let i = 0; i < 40; i++) await p.thawed(p.at + SPREAD_MS, 1_000)
    expect(p.view.bytes()).toBeLessThan(before * 3)
    p.pass(200)
    p.again('s', [])
    p.again('s', [])
    expect(p.view.bytes()).toBeLessThan(before * 3)
    const due = Array.from({ length: 150_000 }, (_, i) => spread(i + 1)).filter((delay) => delay <= 200)
    expect([p.g.outstanding, p.g.waiting]).toEqual([due.length, 150_000])
  })

  test('of more than the bound, due at once, the rest stays in the store until there is room', async () => {
    const p = delayed(130_000, () => 10)
    p.pass(10)
    expect(p.again('s', [])).toEqual([])
    expect(p.g.outstanding).toBeGreaterThanOrEqual(OUTSTANDING_MAX)
    expect(p.g.outstanding).toBeLessThan(OUTSTANDING_MAX + 5_000)
    let done = 0
    for (let ready = await p.thawed(p.at, FRAME); ready.length > 0; ready = await p.thawed(p.at, FRAME)) {
      const indexes = ready.map((waiting) => waiting.index)
      p.ack(p.again('s', indexes))
      done += indexes.length
    }
    expect([done, p.g.waiting]).toEqual([130_000, 0])
  })

  test('however many a deliver command names, memory holds few beside them, and what it holds loads again', async () => {
    const p = delayed(320_000, () => 10)
    p.pass(10)
    const all = Array.from({ length: 320_000 }, (_, i) => i + 1)
    // One of every block there may be.
    const few = p.again(
      's',
      all.filter((index) => index % 1_000 === 0),
    )
    expect(few).toHaveLength(320)
    await p.reload()
    expect(p.g.waiting).toBe(320_000 - 320)
    p.ack(few)
    // And all there are, for as long as they are given.
    let leased = 0
    for (let from = 0; from < all.length; from += FRAME) {
      const run = { session: 's', leaseMs: 100, positions: [], again: all.slice(from, from + FRAME) }
      const reply = p.apply({ type: 'deliver', ...G, after: p.g.cursor, to: p.g.cursor, runs: [run], parked: [] })
      if (reply.type === 'delivered') leased += reply.runs[0]?.items.length ?? 0
    }
    expect(leased).toBeGreaterThanOrEqual(OUTSTANDING_MAX)
    await p.reload()
    expect([p.g.leased, p.g.waiting]).toEqual([leased, 320_000 - 320 - leased])
  })

  test('they count as outstanding for committed, and each is found waiting', async () => {
    const p = delayed(40_000)
    expect(p.g.committed).toEqual({ due: 1_000, index: 0 })
    for (let index = 1; index < 40_000; index += 6_007) {
      expect(await p.g.stateOf(p.store, { due: 1_000, index })).toBe('waiting')
    }
  })

  test('they come back though no command is applied meanwhile', async () => {
    const p = delayed(40_000)
    await p.reload()
    p.apply({ type: 'ack', ...G, items: [] })
    expect(p.g.nextReadyAt()).toBe(1_001)
    const ready = await p.thawed(1_000 + SPREAD_MS, 1_000)
    expect(ready).toHaveLength(1_000)
    expect(p.again('s', [])).toEqual([])
    p.pass(SPREAD_MS)
    expect(
      p.again(
        's',
        ready.map((waiting) => waiting.index),
      ),
    ).toHaveLength(1_000)
    expect(p.g.waiting).toBe(39_000)
  })

  test('what a query read back is not lost by a restart', async () => {
    const p = delayed(40_000)
    flush(p.view, p.store)
    await p.thawed(1_000 + SPREAD_MS, 1_000)
    await p.reload()
    expect(await drain(p, SPREAD_MS)).toHaveLength(40_000)
  })

  test('what a query reads back while a checkpoint is on its way is in its rows', async () => {
    const p = delayed(40_000)
    flush(p.view, p.store)
    // Of the group, its row alone is written again.
    p.attach('other')
    const frozen = p.view.freeze(p.store)
    await p.thawed(1_000 + SPREAD_MS, 1_000)
    const rows = p.store.copy()
    for (const _ of frozen.write(rows)) expect(p.g.waiting).toBe(40_000)
    const view = await reload(createTimerView(), rows)
    expect(view.group(G)?.waiting).toBe(40_000)
  })

  test('a replica that was asked much and one that was not grant the same', async () => {
    const leader = new PartitionDriver()
    leader.attach('s')
    // Leases take nearly all room, so that little of what is due comes to memory, and it matters which.
    const held = Array.from({ length: OUTSTANDING_MAX - FRAME }, () => ({ channel: 'master', body: text('m') }))
    leader.deliver('s', leader.expect('produced', { type: 'produce', messages: held }).positions)
    for (let i = 0; i < 4; i++) addDelayed(leader, FRAME)
    for (let i = 0; i < 10; i++) {
      await leader.thawed(leader.at + SPREAD_MS, 1)
      leader.again('s', [])
    }
    leader.pass(SPREAD_MS)
    leader.again('s', [])
    const indexes = (await leader.thawed(leader.at, 130_000)).map((waiting) => waiting.index)
    expect(leader.again('s', indexes)).toHaveLength(indexes.length)
    const follower = new PartitionDriver()
    for (const { bytes, at } of leader.log) follower.view.apply(bytes, { at, index: 1, store: follower.store })
    const leases = (p: PartitionDriver) => [...p.g.leases()].sort((a, b) => a.fence - b.fence)
    expect(leases(follower)).toEqual(leases(leader))
    expect(leader.g.leased).toBeGreaterThanOrEqual(OUTSTANDING_MAX)
  })

  test('replicas that flush at different times end with the same rows', () => {
    const once = delayed(40_000)
    const often = new PartitionDriver()
    for (const { bytes, at } of once.log) {
      often.view.apply(bytes, { at, index: 1, store: often.store })
      flush(often.view, often.store)
    }
    flush(once.view, once.store)
    expect(often.store.dump()).toEqual(once.store.dump())
  })
})
