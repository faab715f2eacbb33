import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KeyedHeap } from '../../../src/broker/dispatcher/keyed-heap.ts'

test('the first item is the one with the lowest key, however keys change and items go', () => {
  const step = fc.record({ item: fc.nat(20), key: fc.nat(100), leaves: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new KeyedHeap<number, number>((a, b) => a < b)
      const known = new Map<number, number>()
      for (const { item, key, leaves } of steps) {
        if (leaves) expect(heap.delete(item)).toBe(known.delete(item))
        else {
          heap.set(item, key)
          known.set(item, key)
        }
        expect([...heap.items].sort()).toEqual([...known.keys()].sort())
        const lowest = known.size === 0 ? undefined : Math.min(...known.values())
        expect(heap.firstKey).toBe(lowest)
        if (heap.first !== undefined) expect(known.get(heap.first)).toBe(lowest)
      }
    }),
  )
})
