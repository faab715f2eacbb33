/**
 * The stack of layers of one group. Writes go to the top one; the others are frozen: for a checkpoint in flight, or by
 * a long read that froze the top for itself. Invariant: a frozen layer never changes again.
 */
import { assert } from '../../base/assert.ts'
import { Layer } from './layer.ts'
import { CopiedRows, MergedSource, type Source } from './merge.ts'
import type { Value } from './tree.ts'
import type { KeyRange } from './types.ts'

/** Beyond this many rows of the top a read freezes it instead of copying on. */
const COPY_ROWS_MAX = 4096
/** Reads freeze no more layers than this; every `get` passes through all of them. */
const LAYERS_MAX = 8

export interface ScanBounds {
  readonly limit: number
  readonly maxBytes: number
  readonly reverse: boolean
}

export class Layers {
  /** From the newest. */
  #layers: readonly Layer[] = [new Layer()]
  #top = new Layer()
  #frozenBytes = 0

  constructor() {
    this.#layers = [this.#top]
  }

  get bytes(): number {
    return this.#top.bytes + this.#frozenBytes
  }

  /** undefined: no layer knows the key. null: deleted. */
  get(key: string): Value | undefined {
    for (const layer of this.#layers) {
      const value = layer.get(key)
      if (value !== undefined) return value
    }
    return undefined
  }

  put(key: string, value: Uint8Array, fresh: boolean): void {
    this.#top.put(key, value, fresh)
  }

  delete(key: string): void {
    this.#top.delete(key)
  }

  /** Freezes everything there is and returns it, newest first. */
  freeze(): readonly Layer[] {
    if (this.#top.rows > 0) this.#push()
    return this.#layers.slice(1)
  }

  /** Another one, newer than the `frozen` ones and older than what was put since: what is to be written from now on. */
  addFrozen(layer: Layer, frozen: readonly Layer[]): readonly Layer[] {
    const newer = this.#layers.slice(0, this.#layers.length - frozen.length)
    this.#layers = [...newer, layer, ...frozen]
    this.#frozenBytes += layer.bytes
    return [layer, ...frozen]
  }

  /** The layers that `freeze` or `addFrozen` returned are below now. */
  drop(frozen: readonly Layer[]): void {
    const left = this.#layers.length - frozen.length
    assert(left >= 1 && this.#layers[left] === frozen[0], 'the oldest layers are dropped')
    this.#layers = this.#layers.slice(0, left)
    for (const layer of frozen) this.#frozenBytes -= layer.bytes
  }

  clear(): void {
    this.#top = new Layer()
    this.#layers = [this.#top]
    this.#frozenBytes = 0
  }

  /** The layers' rows in `range` as they are now; what is put later is not seen. */
  capture(range: KeyRange, bounds: ScanBounds): Source {
    const top = this.#captureTop(range, bounds)
    const older = this.#layers.filter((layer) => layer !== this.#top && layer !== top.layer)
    const cursors = older.map((layer) => layer.cursor(range, bounds.reverse))
    return cursors.length === 0 ? top.rows : new MergedSource([top.rows, ...cursors], bounds.reverse)
  }

  /** Copies only as far as a scan can come: its rows alone, all newest, would fill it. */
  #captureTop(range: KeyRange, bounds: ScanBounds): { rows: Source; layer: Layer } {
    const layer = this.#top
    const cursor = layer.cursor(range, bounds.reverse)
    const copy = new CopiedRows()
    let left = bounds.limit
    let bytes = 0
    for (; cursor.key !== undefined && left > 0 && bytes < bounds.maxBytes; cursor.advance()) {
      if (copy.rows === COPY_ROWS_MAX && this.#layers.length < LAYERS_MAX) {
        this.#push()
        return { rows: layer.cursor(range, bounds.reverse), layer }
      }
      copy.add(cursor.key, cursor.value)
      if (cursor.value === null) continue
      left--
      bytes += cursor.key.length + cursor.value.byteLength
    }
    return { rows: copy, layer }
  }

  #push(): void {
    this.#frozenBytes += this.#top.bytes
    this.#top = new Layer()
    this.#layers = [this.#top, ...this.#layers]
  }
}

/** Everything of frozen layers, for a checkpoint. */
export function mergeFrozen(frozen: readonly Layer[]): Source {
  const everything = { gte: '', lt: '\uffff' }
  const cursors = frozen.map((layer) => layer.cursor(everything, false))
  const only = cursors.length === 1 ? cursors[0] : undefined
  return only ?? new MergedSource(cursors, false)
}
