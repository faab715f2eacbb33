/**
 * Entry data as it was written lately, kept by its place in the segments: who reads an entry whose place is among them
 * needs no disk. Invariant: blocks of one segment ascend and do not overlap; what a slab holds is never written again, so
 * that readers may keep views on it. Entries themselves are made anew by each reader: objects that die young cost the heap
 * less than hundreds of thousands that are kept for a minute (docs/decisions/010).
 */
import { Fifo } from '../../base/fifo.ts'
import type { Entry } from '../../base/log-entry.ts'

/** Data of many records side by side; a larger record has a slab of its own. */
const SLAB_BYTES = 64 * 1024
/** Small caches (tests) have small slabs, so that they hold more than one. */
const SLABS_MIN = 16
/** What a block costs beside its data. */
const BLOCK_OVERHEAD_BYTES = 128

/** Bytes [start, end) of a segment file lie at `at` of the slab. */
interface Block {
  readonly owner: RecentBlocks
  readonly start: number
  end: number
  readonly slab: Uint8Array
  readonly at: number
}

/** Those of one segment. */
export class RecentBlocks {
  readonly #blocks = new Fifo<Block>()

  get last(): Block | undefined {
    return this.#blocks.last
  }

  push(block: Block): void {
    this.#blocks.push(block)
  }

  shift(): void {
    this.#blocks.shift()
  }

  /** A view on `bytes` bytes from `position` of the file; undefined unless all of them are here. */
  find(position: number, bytes: number): Uint8Array | undefined {
    const block = this.#at(position)
    if (block === undefined || block.start > position || block.end < position + bytes) return undefined
    const { buffer, byteOffset } = block.slab
    return new Uint8Array(buffer, byteOffset + block.at + position - block.start, bytes)
  }

  /** The last block that begins at or before `position`, if any does. */
  #at(position: number): Block | undefined {
    const last = this.#blocks.last
    if (last !== undefined && last.start <= position) return last
    let low = 0
    let high = this.#blocks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.#blocks.at(middle)?.start ?? 0) <= position) low = middle
      else high = middle - 1
    }
    return this.#blocks.at(low)
  }
}

/** All blocks of a shard under one bound, oldest first out. */
export class RecentCache {
  readonly #maxBytes: number
  readonly #slabBytes: number
  readonly #queue = new Fifo<Block>()
  #slab: Uint8Array | undefined
  /** Used of it. */
  #used = 0
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
    this.#slabBytes = Math.min(SLAB_BYTES, Math.ceil(maxBytes / SLABS_MIN))
  }

  /** Keeps the data of the entries, which lie one behind the other from `position`. */
  add(owner: RecentBlocks, position: number, entries: readonly Entry[]): void {
    let bytes = 0
    for (const { data } of entries) bytes += data.byteLength
    if (bytes === 0) return
    const slab = this.#room(bytes)
    this.#place(owner, position, bytes, slab)
    for (const { data } of entries) {
      slab.set(data, this.#used)
      this.#used += data.byteLength
    }
    while (this.#bytes > this.#maxBytes && this.#queue.length > 0) this.#evict()
  }

  #room(bytes: number): Uint8Array {
    if (this.#slab === undefined || this.#used + bytes > this.#slab.byteLength) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(bytes, this.#slabBytes))
      this.#used = 0
    }
    return this.#slab
  }

  /** The block grows if the data follows on what it has, in the file as in the slab. */
  #place(owner: RecentBlocks, start: number, bytes: number, slab: Uint8Array): void {
    const { last } = owner
    const follows = last?.end === start && last.slab === slab && last.at + last.end - last.start === this.#used
    if (follows) {
      last.end += bytes
      return
    }
    const block = { owner, start, end: start + bytes, slab, at: this.#used }
    owner.push(block)
    this.#queue.push(block)
    this.#bytes += BLOCK_OVERHEAD_BYTES + (block.at === 0 ? slab.byteLength : 0)
  }

  #evict(): void {
    const block = this.#queue.shift()
    if (block === undefined) return
    block.owner.shift()
    this.#bytes -= BLOCK_OVERHEAD_BYTES
    const { slab } = block
    if (this.#queue.first?.slab === slab) return
    this.#bytes -= slab.byteLength
    if (this.#slab === slab) this.#slab = undefined
  }
}
