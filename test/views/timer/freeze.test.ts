import { describe, expect, test } from 'vitest'
import type { Held } from '../../../src/views/timer/commands.ts'
import { createTimerView } from '../../../src/views/timer/timer-view.ts'
import type { RowSink } from '../../../src/views/view.ts'
import { flush } from '../flushed.ts'
import { MapStore } from './map-store.ts'
import { PartitionDriver, text } from './partition-driver.ts'

const MESSAGES = 9_000
const FRAME = 1_000

/** Leased, waiting and acknowledged messages, sessions and producers. */
function busy(): { p: PartitionDriver; held: readonly Held[] } {
  const p = new PartitionDriver()
  for (let i = 0; i < 600; i++) p.attach(`s${i}`)
  const held: Held[] = []
  for (let i = 0; i < MESSAGES / FRAME; i++) {
    const messages = Array.from({ length: FRAME }, () => ({ channel: 'master', body: text('m') }))
    const sequence = { producer: `p${i}`, first: 1 }
    const { positions } = p.expect('produced', { type: 'produce', messages, sequence })
    held.push(...p.deliver(`s${i}`, positions, 1_000_000))
  }
  p.nack(held.slice(0, 100), { delayMs: 5_000, reason: 'why' })
  p.ack(held.slice(100, 200))
  return { p, held: held.slice(200) }
}

/** The rows of a replica that applied the same log and was frozen at its end. */
function rowsOf(log: PartitionDriver['log']): readonly string[] {
  const store = new MapStore()
  const view = createTimerView()
  for (const { bytes, at } of log) view.apply(bytes, { at, index: 1, store })
  flush(view, store)
  return store.dump()
}

/** Rows by the step that made them. */
function counting(to: RowSink): RowSink & { rows: number } {
  const sink = {
    rows: 0,
    put: (key: string, value: Uint8Array) => {
      sink.rows++
      to.put(key, value)
    },
    delete: (key: string) => {
      sink.rows++
      to.delete(key)
    },
  }
  return sink
}

test('the rows of a checkpoint are those of its freeze, whatever is applied while they are made', () => {
  const { p, held } = busy()
  flush(p.view, p.store)
  p.ack(held.slice(0, 1))
  const frozenAt = p.log.length
  const rows = p.store.copy()
  let done = 1
  for (const _ of p.view.freeze(p.store).write(rows)) {
    p.ack(held.slice(done, ++done))
    p.nack(held.slice(done, ++done), { delayMs: done * 1000 })
    p.attach(`new-${done}`)
    const messages = [{ channel: 'master', body: text('more') }]
    p.apply({ type: 'produce', messages, sequence: { producer: 'p1', first: FRAME + done } })
    p.apply({ type: 'produce', messages, sequence: { producer: `p-${done}`, first: 1 } })
  }
  expect(done).toBeGreaterThan(20)
  expect(rows.dump()).toEqual(rowsOf(p.log.slice(0, frozenAt)))
  flush(p.view, p.store)
  expect(p.store.dump()).toEqual(rowsOf(p.log))
})

test('a question that reads redeliveries back while rows are made changes none of them', async () => {
  const p = new PartitionDriver()
  p.attach('s')
  for (let i = 0; i < 30; i++) {
    const messages = Array.from({ length: FRAME }, () => ({ channel: 'master', body: text('m') }))
    const { positions } = p.expect('produced', { type: 'produce', messages })
    p.nack(p.deliver('s', positions), { delayMs: 60_000 })
  }
  const rows = p.store.copy()
  const steps = p.view.freeze(p.store).write(rows)
  steps.next()
  const until = p.at + 100_000
  const before = p.g.ready(until, 30_000).length
  await p.g.thaw(p.store, until)
  expect(p.g.ready(until, 30_000).length).toBeGreaterThan(before)
  for (const _ of steps);
  expect(rows.dump()).toEqual(rowsOf(p.log))
})

describe('a freeze', () => {
  test('makes no row by itself, and a step makes few', () => {
    const { p } = busy()
    const sink = counting(p.store)
    const frozen = p.view.freeze(p.store)
    expect(sink.rows).toBe(0)
    const most = { rows: 0, before: 0 }
    for (const _ of frozen.write(sink)) {
      most.rows = Math.max(most.rows, sink.rows - most.before)
      most.before = sink.rows
    }
    expect(most.rows).toBeLessThanOrEqual(64)
  })

  test('makes as many rows beside a thousand idle groups as beside none', () => {
    const rows = [0, 999].map((idle) => {
      const p = new PartitionDriver()
      p.attach('s')
      for (let i = 0; i < idle; i++) {
        const start = { type: 'earliest' } as const
        p.apply({ type: 'attach', channel: 'master', group: `idle-${i}`, consumer: 'c', session: `i${i}`, start })
      }
      flush(p.view, p.store)
      p.deliver('s', p.produce(1, 2, 3).slice(0, 0))
      const sink = counting(p.store)
      for (const _ of p.view.freeze(p.store).write(sink));
      return sink.rows
    })
    expect(rows[1]).toBe(rows[0])
  })
})
