/**
 * Which of a group's recent deliveries were acknowledged. An ack whose answer was lost with its leader is sent again to
 * the next one; without this memory it would be refused as a lost lease although it took effect. Fences of a partition
 * rise by one, so a bit for each of the last ones is enough; an older one is forgotten and its repeat refused.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'

/** Deliveries of the partition remembered: more than all its groups' consumers can have unanswered in a failover. */
const FENCES_KEPT = 131_072
const BITS = 8
export const ACKED_BYTES = FENCES_KEPT / BITS

export class AckedFences {
  /** Highest fence acknowledged. Bits stand for (top - FENCES_KEPT, top]. */
  #top = 0
  /** Allocated by the first ack: most groups of a quiet partition never have one. */
  #bits = new Uint8Array(0)
  changed = false

  bytes(): number {
    return this.#bits.byteLength
  }

  add(fence: number): void {
    if (this.#bits.length === 0) this.#bits = new Uint8Array(ACKED_BYTES)
    if (fence <= this.#top - FENCES_KEPT) return
    this.#advance(fence)
    const bit = fence % FENCES_KEPT
    this.#bits[bit >>> 3] = (this.#bits[bit >>> 3] as number) | (1 << (bit & 7))
    this.changed = true
  }

  has(fence: number): boolean {
    if (fence > this.#top || fence <= this.#top - FENCES_KEPT || this.#bits.length === 0) return false
    const bit = fence % FENCES_KEPT
    return ((this.#bits[bit >>> 3] as number) & (1 << (bit & 7))) !== 0
  }

  write(out: ByteWriter): void {
    out.number(this.#top)
    out.bytes(this.#bits)
  }

  read(input: ByteReader): void {
    this.#top = input.number()
    this.#bits = Uint8Array.from(input.bytes())
  }

  /** Clears what the new top brings into the window. */
  #advance(top: number): void {
    if (top <= this.#top) return
    if (top - this.#top >= FENCES_KEPT) this.#bits.fill(0)
    else {
      for (let fence = this.#top + 1; fence <= top; fence++) {
        const bit = fence % FENCES_KEPT
        this.#bits[bit >>> 3] = (this.#bits[bit >>> 3] as number) & ~(1 << (bit & 7))
      }
    }
    this.#top = top
  }
}
