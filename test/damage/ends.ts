/** Where the last batches of a sound folder begin: of its log, and of LevelDB's newest log. */
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { inspectFrames } from '../../src/node/examine.ts'

const BLOCK_BYTES = 32 * 1024
const HEADER_BYTES = 7
const FULL = 1
const FIRST = 2

interface End {
  readonly from: number
  /** Behind its last byte that is not padding. */
  readonly end: number
}

/** Keyed by path within the folder. `files`: as `damageableFiles` tells them. */
export async function lastBatches(dir: string, files: readonly { readonly file: string }[]): Promise<Map<string, End>> {
  const ends = new Map<string, End>()
  let newest: { file: string; offset: number; bytes: number } | undefined
  for await (const frame of inspectFrames(dir)) newest = frame as { file: string; offset: number; bytes: number }
  if (newest) {
    const bytes = readFileSync(newest.file)
    let end = newest.offset + newest.bytes
    while (bytes[end - 1] === 0) end--
    ends.set(relative(dir, newest.file), { from: newest.offset, end })
  }
  for (const { file } of files) {
    if (file.endsWith('.log')) ends.set(file, endOfLevelLog(readFileSync(join(dir, file))))
  }
  return ends
}

/** A record of it is one batch, in one fragment or several. */
function endOfLevelLog(bytes: Buffer): End {
  let from = 0
  let end = 0
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES)
    if (left < HEADER_BYTES) {
      at += left
      continue
    }
    const type = bytes.readUInt8(at + 6)
    if (type === FULL || type === FIRST) from = at
    at += HEADER_BYTES + bytes.readUInt16LE(at + 4)
    end = at
  }
  return { from, end }
}
