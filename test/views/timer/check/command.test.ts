import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isTimerCommand, NAME_BYTES_MAX, REASON_BYTES_MAX } from '../../../../src/views/timer/check/command.ts'
import { decodeTimerCommand, encodeTimerCommand } from '../../../../src/views/timer/codec.ts'
import type { TimerCommand } from '../../../../src/views/timer/commands.ts'
import { timerCommand, wildCommand } from '../arbitraries.ts'
import { PartitionDriver } from '../partition-driver.ts'

/** Bytes near those of a command: some changed, cut off, doubled or put in. */
const mutated = fc
  .tuple(timerCommand.map(encodeTimerCommand), fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.nat(3)), { maxLength: 4 }))
  .map(([bytes, changes]) => changes.reduce(mutate, bytes))

function mutate(bytes: Uint8Array, [where, value, how]: readonly [number, number, number]): Uint8Array {
  const at = where % (bytes.length + 1)
  const [before, behind] = [bytes.subarray(0, at), bytes.subarray(at)]
  if (how === 0) return Uint8Array.of(...before, value, ...behind.subarray(1))
  if (how === 1) return Uint8Array.from(before)
  if (how === 2) return Uint8Array.of(...before, value, ...behind)
  return Uint8Array.of(...before, ...before, ...behind)
}

const ack = (bytes: readonly number[]) => Uint8Array.of(5, 1, 1, 97, 1, 97, ...bytes)

describe('the check of a command', () => {
  test('passes whatever is encoded', () => {
    fc.assert(
      fc.property(timerCommand, (command) => {
        expect(isTimerCommand(encodeTimerCommand(command))).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  test('passes only bytes that are then read to their end', () => {
    fc.assert(
      fc.property(mutated, (bytes) => {
        if (isTimerCommand(bytes)) expect(() => decodeTimerCommand(bytes)).not.toThrow()
      }),
      { numRuns: 2_000 },
    )
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9 }), fc.uint8Array({ maxLength: 40 }), (type, bytes) => {
        const command = Uint8Array.of(type, 1, ...bytes)
        if (isTimerCommand(command)) expect(() => decodeTimerCommand(command)).not.toThrow()
      }),
      { numRuns: 2_000 },
    )
  })

  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['an unknown type', Uint8Array.of(99, 1)],
    ['a later version of a known type', Uint8Array.of(1, 2, 0, 0, 0)],
    ['a message of a channel that is not named', Uint8Array.of(1, 1, 0, 1, 1, 97, 1, 4, 0)],
    ['a message that is due before there was time', Uint8Array.of(1, 1, 0, 1, 1, 97, 1, 2, 1, 0)],
    ['a message of an unknown kind', Uint8Array.of(1, 1, 0, 1, 1, 97, 1, 3, 0)],
    ['more messages than bytes', Uint8Array.of(1, 1, 0, 1, 1, 97, 200, 1)],
    ['a number without an end', ack([128, 128, 128, 128, 128, 128, 128, 128, 128, 0])],
    ['an index below 0', ack([1, 1, 2])],
    ['an index of 2^53', ack([1, 255, 255, 255, 255, 255, 255, 255, 31, 0])],
    [
      'a sequence that would run past the last whole number',
      Uint8Array.of(1, 1, 255, 255, 255, 255, 255, 255, 255, 15, 1, 112, 1, 1, 97, 1, 0, 0),
    ],
    ['bytes left over', ack([0, 0])],
  ])('refuses %s', (_, bytes) => {
    expect(isTimerCommand(bytes)).toBe(false)
  })

  test('passes only what is applied without a fault, in any state, and can be saved and loaded', async () => {
    const usual = fc.constantFrom<(driver: PartitionDriver) => TimerCommand>(
      () => ({ type: 'produce', messages: [{ channel: 'a', body: new Uint8Array(3) }] }),
      () => ({ type: 'attach', channel: 'a', group: 'a', consumer: 'a', session: 'a', start: { type: 'earliest' } }),
      (driver) => {
        const { view } = driver
        const name = { channel: 'a', group: 'a' }
        const after = view.group(name)?.cursor ?? { due: 0, index: 0 }
        const positions = [1, 2, 3].map((more) => ({ due: 1_000, index: after.index + more }))
        const to = { due: driver.at, index: view.lastIndex }
        return {
          type: 'deliver',
          ...name,
          after,
          to,
          runs: [{ session: 'a', leaseMs: 50, positions, again: [1] }],
          parked: [],
        }
      },
    )
    const steps = fc.array(
      fc.oneof(
        usual,
        wildCommand.map((command) => () => command),
      ),
      { maxLength: 30 },
    )
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const driver = new PartitionDriver()
        for (const step of all) {
          const command = step(driver)
          if (!isTimerCommand(encodeTimerCommand(command))) continue
          driver.apply(command)
          driver.pass(20)
        }
        await driver.reload()
        expect(driver.view.lastIndex).toBeGreaterThanOrEqual(0)
      }),
      { numRuns: 300 },
    )
  })

  test('leaves no row that the check of rows refuses, however long its names and whatever its reason is made of', async () => {
    const driver = new PartitionDriver()
    const name = (letter: string) => letter.repeat(NAME_BYTES_MAX)
    const group = { channel: name('c'), group: name('g') }
    const take = (bytes: Uint8Array) => {
      expect(isTimerCommand(bytes)).toBe(true)
      return driver.view.apply(bytes, { at: driver.at, index: 1, store: driver.store }).reply
    }
    const messages = [{ channel: name('c'), body: new Uint8Array(3) }]
    take(encodeTimerCommand({ type: 'produce', sequence: { producer: name('p'), first: 1 }, messages }))
    const session = name('s')
    take(encodeTimerCommand({ type: 'attach', ...group, consumer: name('k'), session, start: { type: 'earliest' } }))
    const to = { due: driver.at, index: 1 }
    const runs = [{ session, leaseMs: 50, positions: [to], again: [] }]
    take(encodeTimerCommand({ type: 'deliver', ...group, after: { due: 0, index: 0 }, to, runs, parked: [] }))
    const reason = 'r'.repeat(REASON_BYTES_MAX)
    const item = { index: 1, fence: 1, delayMs: 0, keepPlace: false, reason }
    // Not a character of UTF-8: each is read as one that takes three bytes.
    const nack = encodeTimerCommand({ type: 'nack', ...group, items: [item] }).map((byte) =>
      byte === 114 ? 255 : byte,
    )
    expect(take(nack)).toMatchObject({ type: 'settled', done: 1 })
    await driver.reload()
    expect(driver.view.lastIndex).toBe(1)
  })
})
