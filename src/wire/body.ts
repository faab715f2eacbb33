// A cheap look at an encoded sandglass.v1.Body: well formed and within the public limits? Nothing is copied, and only
// the headers' text is looked at, so a server can store and deliver the bytes as they came.
import { isUtf8 } from 'node:buffer'
import { invalid } from '../base/errors.ts'
import { HEADERS_BYTES_MAX, KEY_BYTES_MAX, MESSAGE_BYTES_MAX } from '../base/limits.ts'

export interface BodyInfo {
  /** 0: no key. */
  readonly keyBytes: number
  readonly valueBytes: number
  /** All names and values together. */
  readonly headersBytes: number
}

/**
 * Checks one encoded Body, the body of message `at` of a request: errors name `messages[at].body` and what is below it.
 * Throws INVALID for a limit, a field that is unknown or given twice, text that is not UTF-8, and bytes that do not parse.
 */
export function inspectBody(bytes: Uint8Array, at: number): BodyInfo {
  const scan = new Scan(bytes, at)
  let keyBytes = 0
  let valueBytes = 0
  let headersBytes = 0
  let seen = 0
  while (scan.pos < scan.end) {
    const tag = scan.varint()
    const length = scan.length()
    if (tag === KEY_TAG || tag === VALUE_TAG) {
      if ((seen & (1 << tag)) !== 0) throw scan.malformed()
      seen |= 1 << tag
      if (tag === KEY_TAG) keyBytes = length
      else valueBytes = length
      scan.pos += length
    } else if (tag === HEADER_TAG) {
      headersBytes += headerBytes(scan, scan.pos + length)
    } else {
      throw scan.malformed()
    }
  }
  limit(at, 'key', keyBytes, KEY_BYTES_MAX)
  limit(at, 'headers', headersBytes, HEADERS_BYTES_MAX)
  limit(at, 'value', valueBytes, MESSAGE_BYTES_MAX)
  return { keyBytes, valueBytes, headersBytes }
}

/** Field number << 3 | 2 (length-delimited). */
const KEY_TAG = 10
const VALUE_TAG = 18
const HEADER_TAG = 26
const HEADER_NAME_TAG = 10
const HEADER_VALUE_TAG = 18

/** Bytes of name and value of one map entry, which ends at `end`. Every entry has a name: that bounds their number. */
function headerBytes(scan: Scan, end: number): number {
  let bytes = 0
  let named = false
  while (scan.pos < end) {
    const tag = scan.varint()
    if (tag !== HEADER_NAME_TAG && tag !== HEADER_VALUE_TAG) throw scan.malformed()
    const length = scan.length()
    if (scan.pos + length > end) throw scan.malformed()
    if (!isUtf8(scan.bytes.subarray(scan.pos, scan.pos + length))) throw scan.malformed()
    if (tag === HEADER_NAME_TAG && length > 0) named = true
    bytes += length
    scan.pos += length
  }
  if (!named) throw scan.malformed()
  return bytes
}

function limit(at: number, what: string, bytes: number, max: number): void {
  if (bytes <= max) return
  throw invalid(
    `messages[${at}].body.${what}`,
    `Cannot take the message: its ${what} has ${bytes} bytes, at most ${max}`,
  )
}

class Scan {
  readonly bytes: Uint8Array
  readonly at: number
  readonly end: number
  pos = 0

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes
    this.at = at
    this.end = bytes.length
  }

  /** Below 2^35; tags and lengths need no more. */
  varint(): number {
    let value = 0
    let scale = 1
    for (let at = 0; at < 5; at++) {
      const byte = this.bytes[this.pos++]
      if (byte === undefined) break
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
    throw this.malformed()
  }

  length(): number {
    const length = this.varint()
    if (this.pos + length > this.end) throw this.malformed()
    return length
  }

  malformed(): Error {
    return invalid(
      `messages[${this.at}].body`,
      'Cannot take the message: its body is not a well-formed sandglass.v1.Body',
    )
  }
}
