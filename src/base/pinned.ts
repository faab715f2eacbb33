/**
 * What a Uint8Array keeps in memory: not its own bytes, but the whole buffer that it was cut from, for as long as it
 * lives. Every bound of bytes that are kept counts this.
 */

/** Bytes that stay in memory for as long as `bytes` does. */
export function pinnedBytes(bytes: Uint8Array): number {
  return bytes.buffer.byteLength
}

/** A view on a buffer of at most this many times its size may stay for as long as it likes. */
const PIN_FACTOR = 2

/** `bytes`, or a copy if what they were cut from is much larger: for keeping a few of many that came together. */
export function unpinned(bytes: Uint8Array): Uint8Array {
  return pinnedBytes(bytes) <= bytes.byteLength * PIN_FACTOR ? bytes : new Uint8Array(bytes)
}
