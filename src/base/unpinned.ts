/** A view on a buffer of at most this many times its size may stay for as long as it likes. */
const PIN_FACTOR = 2

/** `bytes`, or a copy if what they were cut from is much larger: for keeping a few of many that came together. */
export function unpinned(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength <= bytes.byteLength * PIN_FACTOR ? bytes : new Uint8Array(bytes)
}
