import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AckedFences } from '../../../src/views/timer/acked-fences.ts'
import { ByteReader, ByteWriter } from '../../../src/views/timer/bytes.ts'

const WINDOW = 131_072

test('it knows exactly the acknowledged fences of its window', () => {
  const steps = fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 3 * WINDOW })), {
    maxLength: 60,
  })
  fc.assert(
    fc.property(steps, fc.array(fc.integer({ min: -WINDOW - 5, max: 5 }), { maxLength: 40 }), (adds, probes) => {
      const fences = new AckedFences()
      const model = new Set<number>()
      let top = 0
      for (const fence of adds) {
        fences.add(fence)
        if (fence > top - WINDOW) model.add(fence)
        top = Math.max(top, fence)
      }
      const expected = (fence: number) => model.has(fence) && fence > top - WINDOW
      for (const fence of [...adds, ...probes.map((probe) => top + probe)])
        expect(fences.has(fence)).toBe(expected(fence))
    }),
  )
})

test('it is the same after it was written and read', () => {
  const fences = new AckedFences()
  for (const fence of [3, 70_000, 131_073]) fences.add(fence)
  const out = new ByteWriter(64)
  fences.write(out)
  const read = new AckedFences()
  read.read(new ByteReader(out.finish()))
  expect([2, 3, 70_000, 131_073].map((fence) => read.has(fence))).toEqual([false, true, true, true])
})
