/** Where the last batches of a sound folder begin: of its log, and of LevelDB's newest log. */
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { inspectFrames } from '../../src/node/examine.ts'

const HEAD_BYTES = 64
const BLOCK_BYTES = 32 * 1024
const HEADER_BYTES = 7
const FULL = 1
const FIRST = 2

export interface End {
  /** Its last batch. */
  readonly from: number
  /** Behind its last byte that is not padding. */
  readonly end: number
  /** Behind its padding. */
  readonly to: number
  /** Heads of what comes before it, without which nobody can tell where that ended. */
  readonly heads: readonly { readonly from: number; readonly to: number }[]
}

interface Frame {
  readonly file: string
  readonly offset: number
  readonly bytes: number
}

/** Keyed by path within the folder. `files`: as `damageableFiles` tells them. */
export async function lastBatches(dir: string, files: readonly { readonly file: string }[]): Promise<Map<string, End>> {
  const ends = new Map<string, End>()
  const frames: Frame[] = []
  for await (const frame of inspectFrames(dir)) frames.push(frame as Frame)
  const newest = frames.at(-1)
  if (newest) {
    const bytes = readFileSync(newest.file)
    const to = newest.offset + newest.bytes
    let end = to
    while (bytes[end - 1] === 0) end--
    const before = frames.filter(({ file, offset }) => file === newest.file && offset < newest.offset)
    const heads = before.map(({ offset }) => ({ from: offset, to: offset + HEAD_BYTES }))
    ends.set(relative(dir, newest.file), { from: newest.offset, end, to, heads })
  }
  for (const { file } of files) {
    if (file.endsWith('.log')) ends.set(file, endOfLevelLog(readFileSync(join(dir, file))))
  }
  return ends
}

/** A record of it is one batch, in one fragment or several; where one ends is only known from its whole. */
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
  return { from, end, to: bytes.length, heads: [{ from: 0, to: from }] }
}
