/** Random commands for the model test, made from the state that the reference queue has when their turn comes. */
import fc from 'fast-check'
import type { Held, NewMessage, Position, TimerCommand } from '../../../src/views/timer/commands.ts'
import { compare, type ReferenceQueue } from './reference-queue.ts'

export interface Draft {
  readonly name: string
  /** Time that passes before it is applied. */
  readonly passMs: number
  make(model: ReferenceQueue): TimerCommand
}

const CHANNELS = ['master', 'other']
const MAIN = { channel: 'master', group: 'g' }
const GROUPS = [MAIN, MAIN, MAIN, MAIN, { channel: 'master', group: 'h' }, { channel: 'other', group: 'g' }]

/** Two consumers and something for them: without, most commands would find nothing. */
export const beginning: readonly Draft[] = [
  draft('attach', 0, () => ({ type: 'attach', ...MAIN, consumer: 'c0', session: 's0', start: { type: 'earliest' } })),
  draft('attach', 0, () => ({ type: 'attach', ...MAIN, consumer: 'c1', session: 's1', start: { type: 'earliest' } })),
  draft('produce', 0, () => ({
    type: 'produce',
    messages: Array.from({ length: 6 }, (_, i) => ({ channel: 'master', body: Uint8Array.of(i), delayMs: i * 3 })),
  })),
]

function draft(name: string, passMs: number, make: (model: ReferenceQueue) => TimerCommand): Draft {
  return { name, passMs, make }
}

const small = fc.nat(7)
const passMs = fc.oneof(
  { weight: 40, arbitrary: fc.constantFrom(0, 1, 5, 20) },
  { weight: 1, arbitrary: fc.constantFrom(1_000, 3_600_000, 3_600_001) },
)
const someGroup = fc.constantFrom(...GROUPS)
const someSession = fc.constantFrom('s0', 's1', 's2', 's3')
const leaseMs = fc.constantFrom(1, 10, 40, 200, Number.POSITIVE_INFINITY)

export const produce: fc.Arbitrary<Draft> = fc
  .tuple(
    passMs,
    fc.array(fc.tuple(fc.constantFrom(...CHANNELS), fc.constantFrom('now', 'delay', 'at'), fc.nat(60), small), {
      maxLength: 5,
    }),
    fc.constantFrom(undefined, 'p', 'q'),
    fc.integer({ min: -4, max: 1 }),
  )
  .map(([pass, drafts, producer, step]) => {
    return draft(`produce ${drafts.length} ${producer ?? ''}${step} after ${pass}`, pass, (model) => {
      const messages: NewMessage[] = drafts.map(([channel, kind, ms, byte]) => {
        const body = Uint8Array.of(byte, 1)
        if (kind === 'now') return { channel, body }
        return kind === 'delay'
          ? { channel, body, delayMs: ms }
          : { channel, body, deliverAt: Math.max(0, model.at + ms - 30) }
      })
      if (producer === undefined) return { type: 'produce', messages }
      const stored = model.producers.get(producer)?.positions.length ?? 0
      return { type: 'produce', messages, sequence: { producer, first: Math.max(1, stored + 1 + step) } }
    })
  })

export const attach: fc.Arbitrary<Draft> = fc
  .tuple(
    passMs,
    someGroup,
    fc.constantFrom('c0', 'c1'),
    someSession,
    fc.constantFrom('earliest', 'latest', 'position'),
    small,
    fc.option(fc.nat(3)),
  )
  .map(([pass, name, consumer, session, start, n, holding]) => {
    return draft(
      `attach ${name.channel} ${name.group} ${consumer} ${session} holds ${holding} after ${pass}`,
      pass,
      (model) => {
        const position = { due: Math.max(0, model.at + n - 3), index: model.lastIndex }
        const base = {
          type: 'attach',
          ...name,
          consumer,
          session,
          start: start === 'position' ? ({ type: 'position', position } as const) : ({ type: start } as const),
        } as const
        return holding === null ? base : { ...base, holds: pickHeld(model, name, holding) }
      },
    )
  })

export const detach: fc.Arbitrary<Draft> = fc.tuple(passMs, someGroup, someSession).map(([pass, name, session]) => {
  return draft(`detach ${name.channel} ${name.group} ${session} after ${pass}`, pass, () => ({
    type: 'detach',
    ...name,
    session,
  }))
})

/** What is odd about a deliver command; most are as a dispatcher would make them. */
const faults = ['early', 'againTooSoon', 'unknownSession', 'movedCursor', 'backwards', 'twice', 'done'] as const
const someFault = fc.oneof(
  { weight: 9, arbitrary: fc.constant('none' as const) },
  { weight: 6, arbitrary: fc.constantFrom(...faults) },
)

/** The dispatcher's part: every position above the cursor up to `to` is given to somebody or parked. */
export const deliver: fc.Arbitrary<Draft> = fc
  .tuple(passMs, someGroup, fc.array(fc.nat(3), { minLength: 1, maxLength: 6 }), leaseMs, someFault, fc.nat(3))
  .map(([pass, name, hands, lease, fault, againCount]) => {
    const title = `deliver ${name.channel} ${name.group} to ${hands} for ${lease}, ${fault}, after ${pass}`
    return draft(title, pass, (model) => {
      const group = model.group(name)
      const cursor = group?.cursor ?? { due: 0, index: 0 }
      const horizon = model.at + pass
      const ahead = model.ordered(name.channel).filter((p) => compare(p, cursor) > 0)
      const taken = ahead.filter((p) => p.due <= horizon || fault === 'early').slice(0, hands.length)
      const waiting = group === undefined ? [] : model.waiting(group, horizon + (fault === 'againTooSoon' ? 100 : 0))
      const again = waiting.slice(0, againCount).map((e) => e.index)
      const sessions = ['s0', 's1', 's2'].map((id, i) => group?.sessions[i]?.id ?? id)
      if (fault === 'unknownSession') sessions[0] = 's9'
      const runs = sessions.map((session, i) => {
        const done = fault === 'done' ? model.ordered(name.channel).slice(0, 2) : []
        const positions = [...done, ...dealtTo(i, taken, hands)]
        return { session, leaseMs: lease, positions, again: i === 0 ? again : [] }
      })
      const last = taken[taken.length - 1] ?? cursor
      return {
        type: 'deliver',
        ...name,
        after: fault === 'movedCursor' ? { due: cursor.due, index: cursor.index + 1 } : cursor,
        to: fault === 'backwards' ? { due: Math.max(0, last.due - 1), index: 0 } : last,
        runs: fault === 'twice' ? [...runs, ...runs] : runs,
        parked: dealtTo(3, taken, hands),
      }
    })
  })

function dealtTo(hand: number, positions: readonly Position[], hands: readonly number[]): Position[] {
  return positions.filter((_, i) => hands[i] === hand)
}

export const settle: fc.Arbitrary<Draft> = fc
  .tuple(passMs, someGroup, fc.constantFrom('ack', 'nack', 'extend', 'expire'), fc.nat(6), fc.nat(30), leaseMs)
  .map(([pass, name, type, mask, delay, lease]) => {
    return draft(`${type} ${name.channel} ${name.group} ${mask} after ${pass}`, pass, (model) => {
      const items = pickHeld(model, name, mask)
      if (type === 'ack') return { type, ...name, items }
      if (type === 'extend') return { type, ...name, leaseMs: lease, items }
      if (type === 'nack') {
        const how = { delayMs: delay, keepPlace: delay % 3 === 0, reason: delay % 4 === 0 ? `Grund ${delay} µ` : '' }
        return { type, ...name, items: items.map((held) => ({ ...held, ...how })) }
      }
      const entries = model.group(name)?.entries ?? []
      const deadline = (held: Held): number => entries.find((e) => e.index === held.index)?.lease?.deadline ?? 7
      return {
        type,
        ...name,
        items: items.map((held) => ({ ...held, deadline: deadline(held) + (delay === 1 ? 1 : 0) })),
      }
    })
  })

/** Some of what is leased; with a low mask, also one under a wrong fence and one that does not exist. */
function pickHeld(model: ReferenceQueue, name: { channel: string; group: string }, mask: number): Held[] {
  const entries = model.group(name)?.entries ?? []
  const held = entries
    .filter((e, i) => e.lease !== undefined && i % 3 !== mask)
    .map(({ index, lease }) => ({ index, fence: lease?.fence ?? 0 }))
  if (mask > 1) return held
  const wrong = entries.slice(0, 1).map(({ index, lease }) => ({ index, fence: (lease?.fence ?? 1) - 1 }))
  return [...held, ...wrong, { index: 9_999, fence: 1 }]
}
