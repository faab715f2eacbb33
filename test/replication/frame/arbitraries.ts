/** Messages between nodes, of every type, with any numbers that a frame may carry. */
import fc from 'fast-check'
import { ID_MAX, LOG_INDEX_MAX, TERM_MAX } from '../../../src/base/limits.ts'
import type { Envelope } from '../../../src/replication/frame/envelope.ts'

const upTo = (max: number, min = 0) =>
  fc.oneof(
    fc.integer({ min, max: 300 }),
    fc.maxSafeNat().map((n) => min + (n % (max - min + 1))),
  )
const id = upTo(ID_MAX, 1)
const index = upTo(LOG_INDEX_MAX)
const term = upTo(TERM_MAX, 1)
const ids = (min: number) =>
  fc.uniqueArray(id, { minLength: min, maxLength: 4 }).map((all) => all.sort((a, b) => a - b))
/** Voters below, learners above: nobody is both. */
const confState = fc.record({ voters: ids(1), outgoing: fc.boolean(), learner: fc.boolean() }).map((drawn) => {
  const last = drawn.voters.at(-1) ?? 1
  return {
    voters: drawn.voters,
    votersOutgoing: drawn.outgoing ? drawn.voters : [],
    learners: drawn.learner && last < ID_MAX ? [last + 1] : [],
    learnersNext: [],
    autoLeave: drawn.outgoing,
  }
})
const head = {
  from: id,
  to: id,
  term,
  logTerm: upTo(TERM_MAX),
  commit: index,
  reject: fc.boolean(),
  rejectHint: index,
  context: upTo(Number.MAX_SAFE_INTEGER),
}

export const wallMs = fc.nat(2 ** 45)
const stamp = fc.nat(2 ** 48 - 1)
const echo = fc.record({ stamp, heldMs: fc.nat(2 ** 40) })
export const clock = fc.record({ wallMs, stamp, echo }, { requiredKeys: ['wallMs', 'stamp'] })
export const data = fc.uint8Array({ maxLength: 40 })

const append = fc
  .record({ ...head, index: fc.nat(2 ** 40), rows: fc.array(fc.tuple(term, fc.boolean(), data), { maxLength: 4 }) })
  .map(({ rows, ...message }) => ({
    ...message,
    type: 'appendEntries' as const,
    entries: rows.map(([of, conf, bytes], i) => ({
      term: of,
      index: message.index + 1 + i,
      type: conf ? ('confChange' as const) : ('normal' as const),
      data: bytes,
    })),
  }))
const termed = fc
  .record({ ...head, index, type: fc.constantFrom('heartbeat', 'requestVote', 'timeoutNow', 'quiesce') })
  .map((message) => ({ ...message, entries: [] }))
const termless = fc
  .record({ ...head, index, type: fc.constantFrom('readIndex', 'wake') })
  .map((message) => ({ ...message, term: 0, entries: [] }))

export const install = fc
  .record({ ...head, index, snapshot: fc.record({ index: upTo(LOG_INDEX_MAX, 1), term, confState }) })
  .map((message) => ({ ...message, type: 'installSnapshot' as const, entries: [] }))
export const envelope: fc.Arbitrary<Envelope> = fc.record({ group: id, message: fc.oneof(append, termed, termless) })
