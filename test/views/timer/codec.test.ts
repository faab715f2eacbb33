import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeTimerCommand, encodeTimerCommand } from '../../../src/views/timer/codec.ts'
import { UnknownCommandError } from '../../../src/views/view.ts'
import { timerCommand } from './arbitraries.ts'
import { text } from './partition-driver.ts'

/** fast-check's records have no prototype. */
const plain = (value: unknown): unknown => structuredClone(value)

describe('commands as bytes', () => {
  test('every command reads back as it was', () => {
    fc.assert(
      fc.property(timerCommand, (given) => {
        expect(plain(decodeTimerCommand(encodeTimerCommand(given)))).toEqual(plain(given))
      }),
      { numRuns: 500 },
    )
  })

  test('the example of docs/formats.md is met', () => {
    const bytes = encodeTimerCommand({ type: 'produce', messages: [{ channel: 'master', body: text('hi') }] })
    expect(Buffer.from(bytes).toString('hex')).toBe('010100 01 06 6d6173746572 01 00 02 6869'.replaceAll(' ', ''))
  })

  test('bodies lie in the command itself, without a copy', () => {
    const bytes = encodeTimerCommand({ type: 'produce', messages: [{ channel: 'master', body: text('hello') }] })
    const decoded = decodeTimerCommand(bytes)
    const read = decoded.type === 'produce' ? decoded.messages[0]?.body : undefined
    expect(read?.buffer).toBe(bytes.buffer)
  })

  test('a large frame costs few bytes beside its bodies', () => {
    const messages = Array.from({ length: 1024 }, () => ({
      channel: 'master',
      body: new Uint8Array(256),
      delayMs: 5_000,
    }))
    expect(encodeTimerCommand({ type: 'produce', messages }).length).toBeLessThan(1024 * (256 + 6))
  })

  test('1,024 leases in order are acknowledged in little more than two bytes each', () => {
    const items = Array.from({ length: 1024 }, (_, i) => ({ index: 2 ** 40 + i, fence: 2 ** 40 + i }))
    const bytes = encodeTimerCommand({ type: 'ack', channel: 'master', group: 'g', items })
    expect(bytes.length).toBeLessThan(1024 * 2 + 50)
  })

  test('10,000 places nacked for one long reason take little more than their places', () => {
    const reason = 'ß'.repeat(256)
    const item = (i: number) => ({ index: i, fence: i, delayMs: 0, keepPlace: false, reason })
    const items = Array.from({ length: 10_000 }, (_, i) => item(i))
    const nack = { type: 'nack', channel: 'master', group: 'g', items } as const
    const bytes = encodeTimerCommand(nack)
    expect(bytes.length).toBeLessThan(10_000 * 4 + 512 + 50)
    expect(decodeTimerCommand(bytes)).toEqual(nack)
  })

  test('a nack of version 1, with a reason in each item, is still read', () => {
    const bytes = Buffer.from('0601 01 63 01 67 02 02 02 02 02 0b 01 61 04 01 61'.replaceAll(' ', ''), 'hex')
    expect(decodeTimerCommand(bytes)).toEqual({
      ...{ type: 'nack', channel: 'c', group: 'g' },
      items: [
        { index: 1, fence: 1, delayMs: 5, keepPlace: true, reason: 'a' },
        { index: 2, fence: 2, delayMs: 2, keepPlace: false, reason: 'a' },
      ],
    })
  })

  test.each([
    ['an unknown type', [99, 1]],
    ['a newer version of a known type', [1, 2]],
    ['a newer version of nack', [6, 3]],
    ['nothing at all', []],
  ])('%s is refused', (_, bytes) => {
    expect(() => decodeTimerCommand(Uint8Array.from(bytes))).toThrow(UnknownCommandError)
  })

  test('a command cut short or with bytes left over is a bug, not a command', () => {
    const bytes = encodeTimerCommand({ type: 'detach', channel: 'master', group: 'g', session: 's' })
    for (let length = 2; length < bytes.length; length++) {
      expect(() => decodeTimerCommand(bytes.subarray(0, length))).toThrow('bytes')
    }
    expect(() => decodeTimerCommand(Uint8Array.of(...bytes, 0))).toThrow('bytes are read to their end')
  })
})
