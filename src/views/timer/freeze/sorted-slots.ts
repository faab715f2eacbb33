/**
 * The slots of a copied table in the order of their positions. A merge sort from the bottom, whose passes are steps: no
 * step takes longer than looking at every slot once.
 */
import { NONE, type SlotColumns } from '../slots.ts'

export function* sortedSlots({ due, index }: SlotColumns): Generator<void, Int32Array> {
  let from = new Int32Array(index.length)
  let count = 0
  for (let slot = 0; slot < index.length; slot++) if (index[slot] !== NONE) from[count++] = slot
  from = from.subarray(0, count)
  let to = new Int32Array(count)
  for (let width = 1; width < count; width *= 2) {
    for (let low = 0; low < count; low += width * 2) merge(low, width)
    const sorted = to
    to = from
    from = sorted
    yield
  }
  return from

  /** Two neighbouring sorted runs become one. */
  function merge(low: number, width: number): void {
    const middle = Math.min(low + width, count)
    const high = Math.min(low + width * 2, count)
    let left = low
    let right = middle
    for (let at = low; at < high; at++) {
      const takesRight = left >= middle || (right < high && isBefore(from[right] as number, from[left] as number))
      to[at] = (takesRight ? from[right++] : from[left++]) as number
    }
  }

  function isBefore(a: number, b: number): boolean {
    const dueA = due[a] as number
    const dueB = due[b] as number
    return dueA < dueB || (dueA === dueB && (index[a] as number) < (index[b] as number))
  }
}
