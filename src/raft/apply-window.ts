/**
 * How far committed entries were handed out and applied (§5.3), and how many bytes of them are under way: a state machine
 * that falls behind is not given more than the bound.
 */
import { assert } from '../base/assert.ts'
import type { Entry } from '../base/log-entry.ts'
import { entriesBytes, payloadBytes } from './entry-size.ts'

interface Batch {
  readonly last: number
  readonly bytes: number
  readonly payload: number
}

export class ApplyWindow {
  readonly #bytesMax: number
  #applied: number
  #applying: number
  #bytes = 0
  #paused = false
  #batches: Batch[] = []

  constructor(applied: number, bytesMax: number) {
    this.#applied = applied
    this.#applying = applied
    this.#bytesMax = bytesMax
  }

  get applied(): number {
    return this.#applied
  }

  get applying(): number {
    return this.#applying
  }

  get paused(): boolean {
    return this.#paused
  }

  get room(): number {
    return this.#bytesMax - this.#bytes
  }

  /** `entries` were handed out; `appliable` is the last index that could have been. */
  accept(entries: readonly Entry[], appliable: number): void {
    const last = entries.at(-1)
    if (last === undefined) return
    const bytes = entriesBytes(entries)
    this.#batches.push({ last: last.index, bytes, payload: payloadBytes(entries) })
    this.#applying = last.index
    this.#bytes += bytes
    // Stopping short of `appliable` means the bound cut the batch, even if bytes are left that the next entry exceeds.
    this.#paused = this.#bytes >= this.#bytesMax || last.index < appliable
  }

  /** Answers the payload bytes of the batches finished by this. Going back is ignored: a snapshot may have overtaken. */
  appliedTo(index: number): number {
    let payload = 0
    for (let batch = this.#batches[0]; batch !== undefined && batch.last <= index; batch = this.#batches[0]) {
      this.#batches.shift()
      this.#bytes -= batch.bytes
      payload += batch.payload
    }
    this.#applied = Math.max(this.#applied, index)
    this.#applying = Math.max(this.#applying, this.#applied)
    this.#paused = this.#bytes >= this.#bytesMax
    assert(this.#bytes >= 0, 'bytes being applied are counted once')
    return payload
  }
}
