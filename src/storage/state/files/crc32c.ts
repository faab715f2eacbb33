/**
 * CRC-32C (Castagnoli), the checksum of LevelDB's files, and LevelDB's masked form of it. Eight bytes at a step, each
 * through a table of its own (Kounavis & Berry 2005): a store's tables are checked whenever it opens.
 */
const POLYNOMIAL = 0x82f63b78
const MASK_DELTA = 0xa282ead8
const LANES = 8
const TABLE = buildTables()

/** LevelDB stores checksums rotated and shifted, so that a checksum over data with checksums in it stays good. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes)
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0
}

function crc32c(bytes: Uint8Array): number {
  const t = TABLE
  const b = bytes
  let crc = -1
  let i = 0
  for (const end = b.length - LANES; i <= end; i += LANES) {
    const x = crc ^ (at(b, i) | (at(b, i + 1) << 8) | (at(b, i + 2) << 16) | (at(b, i + 3) << 24))
    crc =
      at(t, 1792 + (x & 255)) ^
      at(t, 1536 + ((x >>> 8) & 255)) ^
      at(t, 1280 + ((x >>> 16) & 255)) ^
      at(t, 1024 + (x >>> 24)) ^
      at(t, 768 + at(b, i + 4)) ^
      at(t, 512 + at(b, i + 5)) ^
      at(t, 256 + at(b, i + 6)) ^
      at(t, at(b, i + 7))
  }
  for (; i < b.length; i++) crc = at(t, (crc ^ at(b, i)) & 255) ^ (crc >>> 8)
  return ~crc >>> 0
}

function at(from: Uint8Array | Int32Array, index: number): number {
  return from[index] as number
}

/** Lane k holds the checksum of a byte followed by k zero bytes. */
function buildTables(): Int32Array {
  const table = new Int32Array(256 * LANES)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    table[byte] = crc
  }
  for (let i = 256; i < table.length; i++) {
    const before = at(table, i - 256)
    table[i] = at(table, before & 255) ^ (before >>> 8)
  }
  return table
}
