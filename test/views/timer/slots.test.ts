/** The table and the heap of outstanding messages, against a map and a sort. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SlotHeap } from '../../../src/views/timer/slot-heap.ts'
import { NONE, Slots } from '../../../src/views/timer/slots.ts'

const steps = fc.array(fc.record({ index: fc.nat(60), time: fc.nat(9) }), { maxLength: 300, size: 'max' })
/** Also beyond 32 bits: the table must mix both halves. */
const wide = (index: number): number => (index % 3 === 0 ? index * 2 ** 33 : index)

test('a table finds what was added and not removed, however slots are reused', () => {
  fc.assert(
    fc.property(steps, (given) => {
      const slots = new Slots()
      const model = new Map<number, number>()
      for (const { index, time } of given) {
        if (model.delete(index)) {
          slots.remove(slots.find(wide(index)))
        } else {
          const slot = slots.add(1, wide(index))
          slots.time[slot] = time
          model.set(index, time)
        }
      }
      expect(slots.size).toBe(model.size)
      for (let index = 0; index <= 60; index++) {
        const slot = slots.find(wide(index))
        expect(slot === NONE ? undefined : slots.time[slot]).toBe(model.get(index))
      }
      const lowest = slots.lowest()
      const indexes = [...model.keys()].map(wide)
      expect(lowest === NONE ? undefined : slots.index[lowest]).toBe(indexes.sort((a, b) => a - b)[0])
    }),
  )
})

test('a heap gives slots by time and index, whichever were removed from its midst', () => {
  fc.assert(
    fc.property(steps, (given) => {
      const slots = new Slots()
      const heap = new SlotHeap(slots)
      const model: { index: number; time: number }[] = []
      for (const { index, time } of given) {
        const at = model.findIndex((item) => item.index === index)
        if (at < 0) {
          const slot = slots.add(1, index)
          slots.time[slot] = time
          heap.push(slot)
          model.push({ index, time })
        } else {
          heap.remove(slots.find(index))
          slots.remove(slots.find(index))
          model.splice(at, 1)
        }
      }
      const sorted = model.sort((a, b) => a.time - b.time || a.index - b.index).map((item) => item.index)
      const indexOf = (slot: number): number => slots.index[slot] ?? NONE
      expect(heap.firsts(9, 1_000).map(indexOf)).toEqual(sorted)
      expect(heap.firsts(9, 3).map(indexOf)).toEqual(sorted.slice(0, 3))
      expect(Array.from(heap.descending(), indexOf)).toEqual([...sorted].reverse())
      expect(heap.size).toBe(sorted.length)
    }),
  )
})

test('a heap counts those up to a time, as far as it is asked to', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 60 }), fc.nat(9), fc.nat(30), (times, until, limit) => {
      const slots = new Slots()
      const heap = new SlotHeap(slots)
      for (const [index, time] of times.entries()) {
        const slot = slots.add(1, index)
        slots.time[slot] = time
        heap.push(slot)
      }
      const count = times.filter((time) => time <= until).length
      expect(heap.countUntil(until, limit)).toBe(Math.min(count, limit))
    }),
  )
})
