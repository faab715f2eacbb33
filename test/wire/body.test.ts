import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SandglassError } from '../../src/base/errors.ts'
import { inspectBody } from '../../src/wire/body.ts'
import type { Body } from '../../src/wire/messages.ts'
import { createClientWire, type Init } from '../../src/wire/wire.ts'

const codec = createClientWire().codec('Body')

function refusedField(bytes: Uint8Array): string | undefined {
  try {
    inspectBody(bytes, 3)
  } catch (error) {
    if (error instanceof SandglassError && error.reason === 'INVALID') return error.field
    throw error
  }
  return undefined
}

function fieldOf(body: Init<Body>): string | undefined {
  return refusedField(codec.encode(body))
}

test('the sizes of key, value and headers are counted', () => {
  const bytes = codec.encode({ key: Buffer.from('key'), value: Buffer.alloc(300), headers: { a: 'bc', d: '' } })
  expect(inspectBody(bytes, 0)).toEqual({ keyBytes: 3, valueBytes: 300, headersBytes: 4 })
  expect(inspectBody(Buffer.alloc(0), 0)).toEqual({ keyBytes: 0, valueBytes: 0, headersBytes: 0 })
})

test('each limit is exact and names its field', () => {
  expect(fieldOf({ key: Buffer.alloc(4096), value: Buffer.alloc(2 ** 20), headers: { h: 'x'.repeat(16_383) } })).toBe(
    undefined,
  )
  expect(fieldOf({ key: Buffer.alloc(4097) })).toBe('messages[3].body.key')
  expect(fieldOf({ value: Buffer.alloc(2 ** 20 + 1) })).toBe('messages[3].body.value')
  expect(fieldOf({ headers: { a: 'x'.repeat(8192), b: 'x'.repeat(8191) } })).toBe('messages[3].body.headers')
})

test('what is not a well-formed body is refused', () => {
  const malformed = {
    'cut short': [10, 5, 1],
    'an unknown field': [34, 0],
    'a wrong wire type': [8, 1],
    'a key given twice': [10, 1, 65, 10, 1, 66],
    'a value given twice': [18, 0, 18, 0],
    'a header without a name': [26, 2, 18, 0],
    'a header whose value runs over its end': [26, 5, 10, 1, 65, 18, 9, 18, 1, 1],
    'a header name that is not UTF-8': [26, 3, 10, 1, 0xff],
    'an endless varint': [10, 255, 255, 255, 255, 255, 255],
  }
  for (const [what, bytes] of Object.entries(malformed)) {
    expect(refusedField(Uint8Array.from(bytes)), what).toBe('messages[3].body')
  }
})

test('what passes also decodes, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      if (refusedField(bytes) === undefined) expect(() => codec.decode(bytes)).not.toThrow()
    }),
    { numRuns: 2000 },
  )
})

test('what a client encodes passes with its sizes', () => {
  const text = fc.string({ minLength: 1, unit: 'grapheme' })
  const body = fc.record({ key: fc.uint8Array(), value: fc.uint8Array(), headers: fc.dictionary(text, fc.string()) })
  fc.assert(
    fc.property(body, (it) => {
      const info = inspectBody(codec.encode(it), 0)
      const headersBytes = Object.entries(it.headers).reduce((sum, pair) => sum + Buffer.byteLength(pair.join('')), 0)
      expect(info).toEqual({ keyBytes: it.key.length, valueBytes: it.value.length, headersBytes })
    }),
  )
})
