import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SandglassError } from '../../../src/base/errors.ts'
import { GROUP_MEMBERS_MAX, PEER_ENTRIES_MAX, PEER_ENVELOPES_MAX } from '../../../src/base/limits.ts'
import type { ConfState } from '../../../src/base/log-entry.ts'
import { makeMessage } from '../../../src/raft/state.ts'
import type { Message } from '../../../src/raft/types.ts'
import { decodeEntryData, encodeEntryData } from '../../../src/replication/entry-data.ts'
import { envelopeBytes } from '../../../src/replication/frame/envelope.ts'
import {
  decodeFrame,
  decodeSnapshotHeader,
  encodeFrame,
  encodePulse,
  encodeSnapshotHeader,
} from '../../../src/replication/frame/frame.ts'
import { clock, data, envelope, install, wallMs } from './arbitraries.ts'

const ALONE: ConfState = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }

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
      fc.property(clock, fc.array(envelope, { maxLength: 5 }), (clock, envelopes) => {
        const { buffer } = encodeFrame({ clock, envelopes })
        const frame = new Uint8Array(buffer, 0, encodeFrame({ clock, envelopes }).byteLength)
        const decoded = decodeFrame(frame)
        expect(decoded).toEqual({ clock, envelopes })
        for (const { message } of decoded.envelopes) {
          for (const entry of message.entries) expect(entry.data.buffer).toBe(frame.buffer)
        }
      }),
    )
  })

  test('that is a pulse comes back as it was encoded, and damaged in any byte is refused', () => {
    const tally = fc.record({ count: fc.nat(), sum: fc.integer({ min: 0, max: 2 ** 32 - 1 }) })
    fc.assert(
      fc.property(clock, tally, tally, fc.nat(), fc.integer({ min: 1, max: 255 }), (clock, led, followed, at, flip) => {
        const frame = encodePulse(clock, { led, followed })
        expect(decodeFrame(frame)).toEqual({ clock, envelopes: [], pulse: { led, followed } })
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
        const empty = encodeFrame({ clock: { wallMs: 0, stamp: 0 }, envelopes: [] }).byteLength
        expect(encodeFrame({ clock: { wallMs: 0, stamp: 0 }, envelopes: [one] }).byteLength).toBeLessThanOrEqual(
          empty + envelopeBytes(one),
        )
      }),
    )
  })

  test('with any byte changed is refused as bad input', () => {
    fc.assert(
      fc.property(fc.array(envelope, { maxLength: 3 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (all, at, flip) => {
        const frame = encodeFrame({ clock: { wallMs: 1, stamp: 0 }, envelopes: all })
        const position = at % frame.byteLength
        frame[position] = (frame[position] ?? 0) ^ flip
        expect(refused(() => decodeFrame(frame))).toBe(true)
      }),
    )
  })

  test('cut short anywhere, or of random bytes, is refused as bad input', () => {
    fc.assert(
      fc.property(fc.array(envelope, { maxLength: 3 }), fc.nat(), (envelopes, at) => {
        const frame = encodeFrame({ clock: { wallMs: 1, stamp: 0 }, envelopes })
        expect(refused(() => decodeFrame(frame.subarray(0, at % frame.byteLength)))).toBe(true)
      }),
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => refused(() => decodeFrame(bytes))))
  })

  test('is not taken for a snapshot header, nor the other way round', () => {
    fc.assert(
      fc.property(install, fc.integer({ min: 1 }), wallMs, (message, group, lastAt) => {
        const header = encodeSnapshotHeader({ lastAt, group, message })
        expect(decodeSnapshotHeader(header)).toEqual({ lastAt, group, message, snapshot: message.snapshot })
        expect(refused(() => decodeFrame(header))).toBe(true)
        expect(
          refused(() =>
            decodeSnapshotHeader(encodeFrame({ clock: { wallMs: 5, stamp: 0 }, envelopes: [{ group, message }] })),
          ),
        ).toBe(true)
      }),
    )
  })
})

/** The field that a frame with this message is refused for. */
function fieldAtFault(message: Partial<Message>, group = 7): string | undefined {
  const whole = { ...makeMessage('appendEntries', 20, { from: 10, term: 3, index: 5, logTerm: 2 }), ...message }
  return faultOf(() =>
    decodeFrame(encodeFrame({ clock: { wallMs: 1, stamp: 0 }, envelopes: [{ group, message: whole }] })),
  )
}

/** Under a checksum that fits. */
function sealed(frame: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(frame)
  new DataView(bytes.buffer).setUint32(bytes.byteLength - 4, crc32(bytes.subarray(0, -4)))
  return bytes
}

function faultOf(decode: () => unknown): string | undefined {
  try {
    decode()
    return undefined
  } catch (error) {
    return error instanceof SandglassError && error.reason === 'INVALID' ? error.field : String(error)
  }
}

describe('a message that no peer can have sent is refused with its field:', () => {
  const BEYOND = Number.MAX_SAFE_INTEGER
  const entry = { term: 2, index: 6, type: 'normal', data: new Uint8Array(0) } as const
  test.each<[field: string, message: Partial<Message>]>([
    ['from', { from: 0 }],
    ['from', { from: BEYOND }],
    ['to', { to: 0 }],
    ['to', { to: BEYOND }],
    ['term', { term: 0 }],
    ['term', { term: BEYOND }],
    ['term', { type: 'requestVote', term: BEYOND }],
    ['term', { type: 'wake', term: 1 }],
    ['index', { index: BEYOND }],
    ['logTerm', { logTerm: BEYOND }],
    ['commit', { type: 'heartbeat', commit: BEYOND }],
    ['rejectHint', { rejectHint: BEYOND }],
    ['entries', { type: 'heartbeat', entries: [entry] }],
    ['entries.term', { entries: [{ ...entry, term: 0 }] }],
    ['entries.term', { entries: [{ ...entry, term: BEYOND }] }],
    ['type', { type: 'installSnapshot', snapshot: { index: 1, term: 1, confState: ALONE } }],
    ['snapshot', { snapshot: { index: 1, term: 1, confState: ALONE } }],
  ])('%s of %o', (field, message) => {
    expect(fieldAtFault(message)).toBe(field)
  })

  test('group', () => {
    expect(fieldAtFault({}, 0)).toBe('group')
    expect(fieldAtFault({}, BEYOND)).toBe('group')
    expect(fieldAtFault({})).toBeUndefined()
  })

  test('a forwarded proposal, or a forwarded transfer, under the number it once had', () => {
    for (const code of [14, 12]) {
      const frame = encodeFrame({
        clock: { wallMs: 1, stamp: 0 },
        envelopes: [{ group: 7, message: makeMessage('wake', 20, { from: 10 }) }],
      })
      frame[17] = code
      expect(faultOf(() => decodeFrame(sealed(frame)))).toBe('type')
    }
  })

  test.each<[field: string, at: number, byte: number]>([
    ['version', 0, 3],
    ['kind', 1, 9],
    ['flags', 18, 8],
    ['entries', 27, 0],
    ['entries.type', 29, 2],
  ])('%s, when byte %i is %i', (field, at, byte) => {
    const message = { ...makeMessage('appendEntries', 20, { from: 10, term: 3, index: 5 }), entries: [entry] }
    const frame = encodeFrame({ clock: { wallMs: 1, stamp: 0 }, envelopes: [{ group: 7, message }] })
    expect(faultOf(() => decodeFrame(sealed(frame)))).toBeUndefined()
    frame[at] = byte
    expect(faultOf(() => decodeFrame(sealed(frame)))).toBe(field)
  })

  test('bytes behind its last message', () => {
    const frame = encodeFrame({ clock: { wallMs: 1, stamp: 0 }, envelopes: [] })
    const longer = sealed(Uint8Array.of(...frame, 0))
    expect(refused(() => decodeFrame(longer))).toBe(true)
  })

  test('more groups asleep than there are ids', () => {
    const tally = { count: 0, sum: 0 }
    const asleep = (count: number) => encodePulse({ wallMs: 1, stamp: 0 }, { led: tally, followed: { count, sum: 1 } })
    expect(faultOf(() => decodeFrame(asleep(7)))).toBeUndefined()
    expect(faultOf(() => decodeFrame(asleep(BEYOND)))).toBe('followed.count')
  })

  test('more messages or entries than a sender puts into a frame', () => {
    const message = makeMessage('heartbeat', 20, { from: 10, term: 1 })
    const many = (count: number) => () =>
      decodeFrame(encodeFrame({ clock: { wallMs: 1, stamp: 0 }, envelopes: Array(count).fill({ group: 7, message }) }))
    expect(faultOf(many(PEER_ENVELOPES_MAX))).toBeUndefined()
    expect(faultOf(many(PEER_ENVELOPES_MAX + 1))).toBe('envelopes')
    const rows = (count: number) => Array.from({ length: count }, (_, at) => ({ ...entry, index: 6 + at }))
    expect(fieldAtFault({ entries: rows(PEER_ENTRIES_MAX) })).toBeUndefined()
    expect(fieldAtFault({ entries: rows(PEER_ENTRIES_MAX + 1) })).toBe('entries')
    const half = makeMessage('appendEntries', 20, {
      from: 10,
      term: 3,
      index: 5,
      entries: rows(PEER_ENTRIES_MAX / 2 + 1),
    })
    const envelopes = [half, half].map((message) => ({ group: 7, message }))
    expect(faultOf(() => decodeFrame(encodeFrame({ clock: { wallMs: 1, stamp: 0 }, envelopes })))).toBe('entries')
  })

  test.each<[field: string, index: number, term: number, confState: Partial<ConfState>]>([
    ['snapshot.index', 0, 1, {}],
    ['snapshot.index', BEYOND, 1, {}],
    ['snapshot.term', 1, 0, {}],
    ['snapshot.voters', 1, 1, { voters: [0] }],
    ['snapshot.learners', 1, 1, { learners: [BEYOND] }],
    ['snapshot.voters', 1, 1, { voters: Array.from({ length: GROUP_MEMBERS_MAX + 1 }, (_, id) => id + 1) }],
    ['snapshot.confState', 1, 1, { voters: [] }],
    ['snapshot.confState', 1, 1, { voters: [2, 1] }],
    ['snapshot.confState', 1, 1, { learners: [1] }],
    ['snapshot.confState', 1, 1, { autoLeave: true }],
  ])('%s of a snapshot at %i, term %i, %o', (field, index, term, confState) => {
    const snapshot = { index, term, confState: { ...ALONE, ...confState } }
    const message = { ...makeMessage('installSnapshot', 20, { from: 10, term: 3 }), snapshot }
    const header = encodeSnapshotHeader({ lastAt: 1, group: 7, message })
    expect(faultOf(() => decodeSnapshotHeader(header))).toBe(field)
  })

  test('snapshot.autoLeave, when its byte is neither 0 nor 1', () => {
    const snapshot = { index: 5, term: 2, confState: ALONE }
    const header = encodeSnapshotHeader({
      ...{ lastAt: 1, group: 7 },
      message: { ...makeMessage('installSnapshot', 20, { from: 10, term: 3 }), snapshot },
    })
    // The last byte before the checksum.
    header[header.byteLength - 5] = 2
    expect(faultOf(() => decodeSnapshotHeader(sealed(header)))).toBe('snapshot.autoLeave')
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
