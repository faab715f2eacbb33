/**
 * Recent entries in memory, all groups of the shard under one bound, oldest first out. What was appended together
 * stays and goes together. Data that would pin a much larger buffer (a slice of a network frame) is copied once, all
 * of one append side by side.
 */
import type { Entry } from '../../base/log-entry.ts'
import { Fifo } from './fifo.ts'

/** What an entry costs beside its data. */
const ENTRY_OVERHEAD_BYTES = 160
/** What a chunk costs beside its entries. */
const CHUNK_OVERHEAD_BYTES = 240
/** A buffer may be this many times what is used of it. */
const PIN_FACTOR = 2

/** One append of one replica. Invariant: entries are contiguous; a log's chunks are too, the newest last. */
export interface RecentChunk {
  readonly owner: RecentList
  readonly entries: Entry[]
  readonly bytes: number
}

export class RecentCache {
  readonly #maxBytes: number
  readonly #queue = new Fifo<RecentChunk>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  add(owner: RecentList, entries: readonly Entry[]): void {
    const chunk = { owner, ...kept(entries) }
    owner.push(chunk)
    this.#queue.push(chunk)
    this.#bytes += chunk.bytes
    while (this.#bytes > this.#maxBytes) this.#evict()
  }

  #evict(): void {
    const chunk = this.#queue.shift()
    if (!chunk) return
    this.#bytes -= chunk.bytes
    chunk.owner.evict(chunk)
  }
}

/** The cached tail of one log. */
export class RecentList {
  readonly #chunks = new Fifo<RecentChunk>()

  /** Lowest index in memory; Infinity when none is. */
  first(): number {
    return this.#chunks.at(0)?.entries[0]?.index ?? Number.POSITIVE_INFINITY
  }

  push(chunk: RecentChunk): void {
    this.#chunks.push(chunk)
  }

  /** Adds entries from `lo` (at or above `first()`) to below `hi` while they fit; at least one if `out` is empty. */
  read(lo: number, hi: number, maxBytes: number, out: Entry[]): void {
    let bytes = 0
    for (let at = this.#chunkOf(lo); at < this.#chunks.length; at++) {
      const entries = this.#chunks.at(at)?.entries ?? []
      const skip = Math.max(0, lo - (entries[0]?.index ?? lo))
      for (let i = skip; i < entries.length; i++) {
        const entry = entries[i]
        if (!entry || entry.index >= hi) return
        bytes += entry.data.byteLength
        if (bytes > maxBytes && out.length > 0) return
        out.push(entry)
      }
    }
  }

  /** Forgets entries from `index` on. */
  truncate(index: number): void {
    for (let chunk = this.#chunks.last(); chunk; chunk = this.#chunks.last()) {
      const first = chunk.entries[0]?.index ?? index
      if (first < index) {
        chunk.entries.length = Math.min(chunk.entries.length, index - first)
        return
      }
      chunk.entries.length = 0
      this.#chunks.pop()
    }
  }

  /** Forgets whole chunks at or below `index`. */
  dropThrough(index: number): void {
    for (let chunk = this.#chunks.at(0); chunk; chunk = this.#chunks.at(0)) {
      if ((chunk.entries.at(-1)?.index ?? 0) > index) return
      chunk.entries.length = 0
      this.#chunks.shift()
    }
  }

  evict(chunk: RecentChunk): void {
    if (this.#chunks.at(0) === chunk) this.#chunks.shift()
  }

  #chunkOf(index: number): number {
    let low = 0
    let high = this.#chunks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.#chunks.at(middle)?.entries[0]?.index ?? 0) <= index) low = middle
      else high = middle - 1
    }
    return low
  }
}

/** The entries as they are to be kept, and what they hold in memory. */
function kept(entries: readonly Entry[]): Pick<RecentChunk, 'entries' | 'bytes'> {
  const overhead = CHUNK_OVERHEAD_BYTES + entries.length * ENTRY_OVERHEAD_BYTES
  let used = 0
  let pinned = 0
  let previous: ArrayBufferLike | undefined
  for (const { data } of entries) {
    used += data.byteLength
    if (data.buffer !== previous) pinned += data.buffer.byteLength
    previous = data.buffer
  }
  if (pinned <= used * PIN_FACTOR) return { entries: entries.slice(), bytes: overhead + pinned }
  const slab = new Uint8Array(used)
  let at = 0
  const copies = entries.map(({ term, index, type, data }) => {
    slab.set(data, at)
    at += data.byteLength
    return { term, index, type, data: slab.subarray(at - data.byteLength, at) }
  })
  return { entries: copies, bytes: overhead + used }
}
