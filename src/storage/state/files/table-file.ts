/**
 * Checks a table file of LevelDB (google/leveldb, doc/table_format.md): every block that footer and index name, by its
 * checksum. LevelDB itself reads without looking at them.
 */
import type { Slice } from '../../../base/slice.ts'
import { ByteReader } from './byte-reader.ts'
import { maskedCrc32c } from './crc32c.ts'
import { uncompress } from './snappy.ts'

const FOOTER_BYTES = 48
const TRAILER_BYTES = 5
const MAGIC = Buffer.from([0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb])
const SNAPPY = 1

interface BlockHandle {
  readonly offset: number
  readonly size: number
}

/** What is wrong with the file and where; undefined when nothing is. `slice`: of a process that serves meanwhile. */
export async function findTableDamage(
  bytes: Buffer,
  slice?: Slice,
): Promise<{ readonly reason: string; readonly offset: number } | undefined> {
  try {
    await checkTable(bytes, slice)
    return undefined
  } catch (error) {
    // What cannot be read at all is an index, and the footer says where that is.
    const footer = Math.max(bytes.length - FOOTER_BYTES, 0)
    if (error instanceof BlockError) return { reason: error.message, offset: Math.min(error.offset, footer) }
    if (error instanceof RangeError) return { reason: error.message, offset: footer }
    throw error
  }
}

class BlockError extends RangeError {
  override readonly name = 'BlockError'
  readonly offset: number

  constructor(offset: number, message: string) {
    super(message)
    this.offset = offset
  }
}

async function checkTable(bytes: Buffer, slice: Slice | undefined): Promise<void> {
  if (bytes.length < FOOTER_BYTES || bytes.subarray(-MAGIC.length).compare(MAGIC) !== 0) {
    throw new RangeError('it does not end in a footer')
  }
  const footer = new ByteReader(bytes.subarray(-FOOTER_BYTES))
  const metaIndex = readHandle(footer)
  const index = readHandle(footer)
  // LevelDB fills the rest with zeros and never looks at it.
  if (footer.bytes(FOOTER_BYTES - MAGIC.length - footer.at).some((byte) => byte !== 0)) {
    throw new RangeError('the padding of the footer is not zero')
  }
  for (const handle of handlesIn(readBlock(bytes, metaIndex))) {
    if (slice?.spent()) await slice.rest()
    readBlock(bytes, handle)
  }
  for (const handle of handlesIn(readBlock(bytes, index))) {
    if (slice?.spent()) await slice.rest()
    checkedBlock(bytes, handle)
  }
}

function readHandle(reader: ByteReader): BlockHandle {
  return { offset: reader.varint(), size: reader.varint() }
}

/** Block with its compression byte, after its checksum was found right. */
function checkedBlock(bytes: Buffer, { offset, size }: BlockHandle): Buffer {
  if (offset + size + TRAILER_BYTES > bytes.length) throw new BlockError(offset, `block at ${offset} lies outside`)
  const block = bytes.subarray(offset, offset + size + 1)
  if (maskedCrc32c(block) !== bytes.readUInt32LE(offset + size + 1)) {
    throw new BlockError(offset, `checksum of the block at ${offset} is wrong`)
  }
  return block
}

function readBlock(bytes: Buffer, handle: BlockHandle): Buffer {
  const block = checkedBlock(bytes, handle)
  const data = block.subarray(0, -1)
  return block.readUInt8(block.length - 1) === SNAPPY ? uncompress(data) : data
}

/** Values of an index block: entries (shared and own length of the key, length of the value), then restart points. */
function handlesIn(block: Buffer): BlockHandle[] {
  const restarts = block.readUInt32LE(block.length - 4)
  const end = block.length - 4 - restarts * 4
  if (end < 0) throw new RangeError('an index has more restart points than room')
  const reader = new ByteReader(block.subarray(0, end))
  const handles: BlockHandle[] = []
  while (!reader.ended) {
    reader.varint()
    const keyBytes = reader.varint()
    const valueBytes = reader.varint()
    reader.bytes(keyBytes)
    handles.push(readHandle(new ByteReader(reader.bytes(valueBytes))))
  }
  return handles
}
