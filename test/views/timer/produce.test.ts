import { describe, expect, test } from 'vitest'
import { CHANNELS_MAX, PRODUCERS_MAX } from '../../../src/base/limits.ts'
import { encodeTimerCommand } from '../../../src/views/timer/codec.ts'
import type { NewMessage, TimerCommand } from '../../../src/views/timer/commands.ts'
import { flush } from '../flushed.ts'
import { PartitionDriver, text } from './partition-driver.ts'

function frame(producer: string, first: number, count: number): TimerCommand {
  const messages = Array.from(
    { length: count },
    (_, i): NewMessage => ({ channel: 'master', body: text(`${first + i}`) }),
  )
  return { type: 'produce', sequence: { producer, first }, messages }
}

describe('produce', () => {
  test('a message is due now, after its delay, or at its time, but never before at-prime', () => {
    const p = new PartitionDriver()
    const body = text('x')
    const messages: NewMessage[] = [
      { channel: 'master', body },
      { channel: 'master', body, delayMs: 500 },
      { channel: 'master', body, deliverAt: 9_000 },
      { channel: 'master', body, deliverAt: 5 },
    ]
    const { positions } = p.expect('produced', { type: 'produce', messages })
    expect(positions).toEqual([
      { due: 1_000, index: 1 },
      { due: 1_500, index: 2 },
      { due: 9_000, index: 3 },
      { due: 1_000, index: 4 },
    ])
  })

  test('time that goes back is a bug', () => {
    const p = new PartitionDriver()
    p.produce(0)
    p.at -= 1
    expect(() => p.produce(0)).toThrow('never goes back')
  })

  test('the leader is told positions and bodies in order', () => {
    const p = new PartitionDriver()
    const [position] = p.produce(7)
    expect(p.effects).toEqual([{ type: 'stored', channels: ['master'], positions: [position], bodies: [text('m')] }])
  })

  test('messages of a channel are read in order, between two positions, without the first', async () => {
    const p = new PartitionDriver()
    const [late, early, middle] = p.produce(30, 0, 10)
    if (!late || !early || !middle) throw new Error('three were produced')
    p.expect('produced', { type: 'produce', messages: [{ channel: 'other', body: text('o') }] })
    const scan = (after: object, limit: number) =>
      p.view.scan(p.store, 'master', { after: { due: 0, index: 0, ...after }, to: late }, limit, 1_000_000)
    expect((await scan({}, 10)).map((m) => m.index)).toEqual([early.index, middle.index, late.index])
    expect((await scan(early, 10)).map((m) => m.index)).toEqual([middle.index, late.index])
    expect((await scan({}, 1)).map((m) => m.index)).toEqual([early.index])
    const end = { due: Number.POSITIVE_INFINITY, index: Number.MAX_SAFE_INTEGER }
    expect(await p.view.scan(p.store, 'master', { after: early, to: end }, 10, 1_000)).toHaveLength(2)
    expect(await p.view.scan(p.store, 'nobody', { after: early, to: end }, 10, 1_000)).toEqual([])
  })

  test('one message is found by its position, in whatever channel', async () => {
    const p = new PartitionDriver()
    p.produce(0)
    const other = { channel: 'other', body: text('o') }
    const [position] = p.expect('produced', { type: 'produce', messages: [other] }).positions
    if (!position) throw new Error('one was produced')
    expect(await p.view.find(p.store, position)).toEqual({ ...position, ...other })
    expect(await p.view.bodies(p.store, 'other', [position], 1)).toEqual([other.body])
    expect(await p.view.find(p.store, { ...position, due: 3 })).toBeUndefined()
  })

  test('any body comes back as it was, the empty one and those beginning with 0 too', async () => {
    const p = new PartitionDriver()
    for (const bytes of [[], [0], [0, 0], [0, 1, 2], [255, 0]]) {
      const body = Uint8Array.from(bytes)
      const [position] = p.expect('produced', { type: 'produce', messages: [{ channel: 'master', body }] }).positions
      expect(position && (await p.view.find(p.store, position))?.body).toEqual(body)
    }
  })

  test('what is stored is the piece of the command, not a copy', () => {
    const p = new PartitionDriver()
    const bytes = encodeTimerCommand({ type: 'produce', messages: [{ channel: 'master', body: text('hello') }] })
    p.view.apply(bytes, { at: p.at, index: 1, store: p.store })
    expect([...p.store.rows.values()][0]?.buffer).toBe(bytes.buffer)
  })

  test('a frame that would open a channel too many is refused whole', () => {
    const p = new PartitionDriver()
    const to = (from: number, count: number): TimerCommand => ({
      type: 'produce',
      messages: Array.from({ length: count }, (_, i) => ({ channel: `c${from + i}`, body: text('x') })),
    })
    p.expect('produced', to(0, CHANNELS_MAX - 1))
    expect(p.apply(to(CHANNELS_MAX - 2, 3))).toEqual({ type: 'tooMany', what: 'channels' })
    expect(p.view.messageCount).toBe(CHANNELS_MAX - 1)
    p.expect('produced', to(CHANNELS_MAX - 2, 2))
    expect(p.view.channels()).toHaveLength(CHANNELS_MAX)
    expect(p.view.channelMessages('c0')).toBe(1)
  })
})

describe('producer sequences', () => {
  test('a repeated frame is answered with its first positions and stores nothing', () => {
    const p = new PartitionDriver()
    const first = p.expect('produced', frame('p', 1, 3))
    p.pass(50)
    expect(p.apply(frame('p', 1, 3))).toEqual({ ...first, duplicates: 3 })
    expect(p.effects).toEqual([])
    expect(p.view.messageCount).toBe(3)
  })

  test('of a frame partly seen before, the rest is stored', () => {
    const p = new PartitionDriver()
    const first = p.expect('produced', frame('p', 1, 3))
    p.pass(50)
    const reply = p.expect('produced', frame('p', 2, 4))
    expect(reply.duplicates).toBe(2)
    expect(reply.positions.slice(0, 2)).toEqual(first.positions.slice(1))
    expect(reply.positions.slice(2).map((position) => position.due)).toEqual([1_050, 1_050])
    expect(p.view.messageCount).toBe(5)
  })

  test('a gap is refused, tells what is expected, and stores nothing', () => {
    const p = new PartitionDriver()
    expect(p.apply(frame('p', 2, 1))).toEqual({ type: 'outOfSequence', expected: 1 })
    p.expect('produced', frame('p', 1, 2))
    expect(p.apply(frame('p', 4, 1))).toEqual({ type: 'outOfSequence', expected: 3 })
    expect(p.view.messageCount).toBe(2)
  })

  test('sequences of one producer say nothing of another', () => {
    const p = new PartitionDriver()
    p.expect('produced', frame('p', 1, 2))
    expect(p.apply(frame('q', 3, 1))).toEqual({ type: 'outOfSequence', expected: 1 })
    p.expect('produced', frame('q', 1, 1))
  })

  test('the last 1,024 positions are known, an older repeat is a duplicate without one', () => {
    const p = new PartitionDriver()
    for (let first = 1; first < 2_100; first += 100) {
      p.expect('produced', frame('p', first, 100))
      p.pass(1)
    }
    const [oldest] = p.expect('produced', frame('p', 1_077, 1)).positions
    expect(oldest?.index).toBe(1_077)
    expect(p.apply(frame('p', 1_076, 1))).toEqual({ type: 'duplicate' })
    expect(p.apply(frame('p', 1_076, 2))).toEqual({ type: 'duplicate' })
    expect(p.view.messageCount).toBe(2_100)
  })

  test('positions of producers that take turns are not mixed up', () => {
    const p = new PartitionDriver()
    for (let first = 1; first < 4; first++) {
      p.expect('produced', frame('p', first, 1))
      p.expect('produced', frame('q', first, 1))
    }
    expect(p.expect('produced', frame('p', 1, 3)).positions.map((position) => position.index)).toEqual([1, 3, 5])
    expect(p.expect('produced', frame('q', 1, 3)).positions.map((position) => position.index)).toEqual([2, 4, 6])
  })

  test('who was heard of again is not the longest idle', () => {
    const p = new PartitionDriver()
    p.expect('produced', frame('a', 1, 1))
    p.expect('produced', frame('b', 1, 1))
    p.pass(1_000)
    p.expect('produced', frame('a', 1, 1))
    p.pass(3_600_000 - 500)
    expect(p.apply(frame('b', 2, 1))).toEqual({ type: 'outOfSequence', expected: 1 })
    expect(p.expect('produced', frame('a', 1, 1)).duplicates).toBe(1)
  })

  test('positions with different due times are remembered one by one', async () => {
    const p = new PartitionDriver()
    const messages = [30, 0, 10, 10].map((delayMs) => ({ channel: 'master', body: text('x'), delayMs }))
    const command: TimerCommand = { type: 'produce', sequence: { producer: 'p', first: 1 }, messages }
    const { positions } = p.expect('produced', command)
    p.pass(5)
    await p.reload()
    expect(p.expect('produced', command)).toEqual({ type: 'produced', positions, duplicates: 4 })
  })

  test('a producer is remembered for an hour of leader time after its last frame', () => {
    const p = new PartitionDriver()
    p.expect('produced', frame('p', 1, 1))
    p.pass(3_600_000)
    expect(p.expect('produced', frame('p', 1, 1)).duplicates).toBe(1)
    p.pass(3_600_001)
    expect(p.apply(frame('p', 2, 1))).toEqual({ type: 'outOfSequence', expected: 1 })
  })

  test('after a load the longest idle is still forgotten first', async () => {
    const p = new PartitionDriver()
    p.expect('produced', frame('b', 1, 1))
    p.pass(1_000)
    p.expect('produced', frame('a', 1, 1))
    await p.reload()
    p.pass(3_600_000 - 500)
    expect(p.apply(frame('b', 2, 1))).toEqual({ type: 'outOfSequence', expected: 1 })
    expect(p.expect('produced', frame('a', 1, 1)).duplicates).toBe(1)
  })

  test('one that is forgotten twice between two checkpoints leaves no row behind', () => {
    const p = new PartitionDriver()
    p.expect('produced', frame('p', 1, 1))
    flush(p.view, p.store)
    p.pass(3_600_001)
    p.expect('produced', frame('p', 1, 1))
    p.pass(3_600_001)
    p.expect('outOfSequence', frame('q', 2, 1))
    flush(p.view, p.store)
    expect(p.store.tagged('p')).toBe(0)
  })

  test('too many producers: the longest idle is forgotten, and its row with it', async () => {
    const p = new PartitionDriver()
    p.expect('produced', frame('idle', 1, 1))
    flush(p.view, p.store)
    for (let i = 0; i < PRODUCERS_MAX - 1; i++) p.expect('produced', frame(`p${i}`, 1, 1))
    expect(p.expect('produced', frame('p0', 1, 1)).duplicates).toBe(1)
    p.expect('produced', frame('one more', 1, 1))
    await p.reload()
    expect(p.store.tagged('p')).toBe(PRODUCERS_MAX)
    expect(p.apply(frame('idle', 2, 1))).toEqual({ type: 'outOfSequence', expected: 1 })
    for (const id of ['p0', 'p999', 'one more']) expect(p.expect('produced', frame(id, 1, 1)).duplicates).toBe(1)
  })

  test('a frame refused for its channels leaves its sequence free', () => {
    const p = new PartitionDriver()
    const messages = Array.from({ length: CHANNELS_MAX + 1 }, (_, i) => ({ channel: `c${i}`, body: text('x') }))
    p.expect('tooMany', { type: 'produce', sequence: { producer: 'p', first: 1 }, messages })
    expect(p.expect('produced', frame('p', 1, 1)).duplicates).toBe(0)
  })
})
