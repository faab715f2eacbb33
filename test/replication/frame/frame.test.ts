import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SandglassError } from '../../src/base/errors.ts'
import { decodeEntryData, encodeEntryData } from '../../src/replication/entry-data.ts'
import {
  decodeFrame,
  decodeSnapshotHeader,
  type Envelope,
  encodeFrame,
  encodePulse,
  encodeSnapshotHeader,
  envelopeBytes,
} from '../../src/replication/frame.ts'

const number = fc.oneof(fc.nat(300), fc.maxSafeNat())
const ids = fc.array(number, { maxLength: 4 })
const snapshot = fc.record({
  index: number,
  term: number,
  confState: fc.record({ voters: ids, votersOutgoing: ids, learners: ids, learnersNext: ids, autoLeave: fc.boolean() }),
})
const head = {
  from: number,
  to: number,
  term: number,
  logTerm: number,
  commit: number,
  reject: fc.boolean(),
  rejectHint: number,
  context: number,
}
const data = fc.uint8Array({ maxLength: 40 })
const append = fc
  .record({ ...head, index: fc.nat(2 ** 40), rows: fc.array(fc.tuple(number, fc.boolean(), data), { maxLength: 4 }) })
  .map(({ rows, ...message }) => ({
    ...message,
    type: 'appendEntries' as const,
    entries: rows.map(([term, conf, bytes], i) => ({
      term,
      index: message.index + 1 + i,
      type: conf ? ('confChange' as const) : ('normal' as const),
      data: bytes,
    })),
  }))
const other = fc
  .record({
    ...head,
    index: number,
    type: fc.constantFrom('heartbeat' as const, 'requestVote' as const, 'readIndex' as const, 'timeoutNow' as const),
  })
  .map((message) => ({ ...message, entries: [] }))
const install = fc
  .record({ ...head, index: number, snapshot })
  .map((message) => ({ ...message, type: 'installSnapshot' as const, entries: [] }))
const envelope: fc.Arbitrary<Envelope> = fc.record({ group: number, message: fc.oneof(append, other, install) })
const wallMs = fc.nat(2 ** 45)

const refused = (run: () => unknown) => {
  try {
    run()
    return false
  } catch (error) {
    return error instanceof SandglassError && error.reason === 'INVALID'
  }
}

describe('a frame', () => {
  test('comes back as it was encoded, entries as views into it', () => {
    fc.assert(
      fc.property(wallMs, fc.array(envelope, { maxLength: 5 }), (ms, envelopes) => {
        const { buffer } = encodeFrame({ wallMs: ms, envelopes })
        const frame = new Uint8Array(buffer, 0, encodeFrame({ wallMs: ms, envelopes }).byteLength)
        const decoded = decodeFrame(frame)
        expect(decoded).toEqual({ wallMs: ms, envelopes })
        for (const { message } of decoded.envelopes) {
          for (const entry of message.entries) expect(entry.data.buffer).toBe(frame.buffer)
        }
      }),
    )
  })

  test('that is a pulse comes back as it was encoded, and damaged in any byte is refused', () => {
    const tally = fc.record({ count: fc.nat(), sum: fc.integer({ min: 0, max: 2 ** 32 - 1 }) })
    fc.assert(
      fc.property(wallMs, tally, tally, fc.nat(), fc.integer({ min: 1, max: 255 }), (ms, led, followed, at, flip) => {
        const frame = encodePulse(ms, { led, followed })
        expect(decodeFrame(frame)).toEqual({ wallMs: ms, envelopes: [], pulse: { led, followed } })
        expect(refused(() => decodeSnapshotHeader(frame))).toBe(true)
        expect(refused(() => decodeFrame(frame.subarray(0, at % frame.byteLength)))).toBe(true)
        const position = at % frame.byteLength
        frame[position] = (frame[position] ?? 0) ^ flip
        expect(refused(() => decodeFrame(frame))).toBe(true)
      }),
    )
  })

  test('is never larger than its envelopes were said to be', () => {
    fc.assert(
      fc.property(envelope, (one) => {
        const empty = encodeFrame({ wallMs: 0, envelopes: [] }).byteLength
        expect(encodeFrame({ wallMs: 0, envelopes: [one] }).byteLength).toBeLessThanOrEqual(empty + envelopeBytes(one))
      }),
    )
  })

  test('with any byte changed is refused as bad input', () => {
    fc.assert(
      fc.property(fc.array(envelope, { maxLength: 3 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (all, at, flip) => {
        const frame = encodeFrame({ wallMs: 1, envelopes: all })
        const position = at % frame.byteLength
        frame[position] = (frame[position] ?? 0) ^ flip
        expect(refused(() => decodeFrame(frame))).toBe(true)
      }),
    )
  })

  test('cut short anywhere, or of random bytes, is refused as bad input', () => {
    fc.assert(
      fc.property(fc.array(envelope, { maxLength: 3 }), fc.nat(), (envelopes, at) => {
        const frame = encodeFrame({ wallMs: 1, envelopes })
        expect(refused(() => decodeFrame(frame.subarray(0, at % frame.byteLength)))).toBe(true)
      }),
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => refused(() => decodeFrame(bytes))))
  })

  test('is not taken for a snapshot header, nor the other way round', () => {
    fc.assert(
      fc.property(install, number, wallMs, (message, group, lastAt) => {
        const header = encodeSnapshotHeader({ wallMs: 5, lastAt, group, message })
        expect(decodeSnapshotHeader(header)).toEqual({ wallMs: 5, lastAt, group, message, snapshot: message.snapshot })
        expect(refused(() => decodeFrame(header))).toBe(true)
        expect(refused(() => decodeSnapshotHeader(encodeFrame({ wallMs: 5, envelopes: [{ group, message }] })))).toBe(
          true,
        )
      }),
    )
  })
})

describe('the data of an entry', () => {
  test('comes back as it was encoded', () => {
    fc.assert(
      fc.property(wallMs, fc.array(data), (at, commands) => {
        const decoded = decodeEntryData(encodeEntryData(at, commands))
        expect(decoded.at).toBe(at)
        expect(decoded.commands.map((command) => [...command])).toEqual(commands.map((command) => [...command]))
      }),
    )
  })

  test('is laid out as the formats say', () => {
    const bytes = encodeEntryData(0x0102_0304_0506, [Uint8Array.of(9, 9), Uint8Array.of()])
    expect([...bytes]).toEqual([1, 1, 2, 3, 4, 5, 6, 2, 2, 9, 9, 0])
  })

  test('is empty for the entry with which a leader begins', () => {
    expect(decodeEntryData(new Uint8Array(0))).toEqual({ at: 0, commands: [] })
  })
})
