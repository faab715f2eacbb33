/** Commands of a timer partition, drawn. */
import fc from 'fast-check'
import type { TimerCommand } from '../../../src/views/timer/commands.ts'

/** Any command, with names of its own. */
export const timerCommand: fc.Arbitrary<TimerCommand> = commandsOf(
  fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/),
  fc.integer({ min: 0, max: 2 ** 48 - 1 }),
)

/** Any command with these names, and numbers that are about right or nowhere near. */
export const wildCommand: fc.Arbitrary<TimerCommand> = commandsOf(
  fc.constantFrom('a', 'b'),
  fc.oneof({ weight: 3, arbitrary: fc.nat(6) }, fc.constantFrom(1_000, 1_100, 2 ** 31, 2 ** 32 + 1, 2 ** 48 - 1)),
)

function commandsOf(name: fc.Arbitrary<string>, whole: fc.Arbitrary<number>): fc.Arbitrary<TimerCommand> {
  const group = { channel: name, group: name }
  const lease = fc.oneof(whole, fc.constant(Number.POSITIVE_INFINITY))
  const position = fc.record({ due: whole, index: whole })
  const held = fc.record({ index: whole, fence: whole })
  const body = fc.uint8Array({ maxLength: 300 })
  return fc.oneof(
    fc.record(
      {
        type: fc.constant('produce' as const),
        sequence: fc.record({
          producer: fc.string({ unit: 'binary-ascii', maxLength: 64 }),
          first: whole.map((n) => n + 1),
        }),
        messages: fc.array(
          fc.oneof(
            fc.record({ channel: name, body }),
            fc.record({ channel: name, body, delayMs: whole }),
            fc.record({ channel: name, body, deliverAt: whole }),
          ),
        ),
      },
      { requiredKeys: ['type', 'messages'] },
    ),
    fc.record(
      {
        type: fc.constant('attach' as const),
        ...group,
        consumer: name,
        session: name,
        start: fc.oneof(
          fc.constantFrom({ type: 'earliest' as const }, { type: 'latest' as const }),
          fc.record({ type: fc.constant('position' as const), position }),
        ),
        holds: fc.array(held),
      },
      { requiredKeys: ['type', 'channel', 'group', 'consumer', 'session', 'start'] },
    ),
    fc.record({ type: fc.constant('detach' as const), ...group, session: name }),
    fc.record({
      type: fc.constant('deliver' as const),
      ...group,
      after: position,
      to: position,
      runs: fc.array(
        fc.record({ session: name, leaseMs: lease, positions: fc.array(position), again: fc.array(whole) }),
      ),
      parked: fc.array(position),
    }),
    fc.record({ type: fc.constant('ack' as const), ...group, items: fc.array(held) }),
    fc.record({
      type: fc.constant('nack' as const),
      ...group,
      items: fc.array(
        fc.record({
          index: whole,
          fence: whole,
          delayMs: whole,
          keepPlace: fc.boolean(),
          reason: fc.string({ unit: 'grapheme' }),
        }),
      ),
    }),
    fc.record({ type: fc.constant('extend' as const), ...group, leaseMs: lease, items: fc.array(held) }),
    fc.record({
      type: fc.constant('expire' as const),
      ...group,
      items: fc.array(fc.record({ index: whole, fence: whole, deadline: lease })),
    }),
  )
}
