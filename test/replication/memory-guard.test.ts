import { expect, test } from 'vitest'
import { MemoryGuard } from '../../src/replication/memory-guard.ts'

const replica = (bytes: number) => {
  const one = { bytes, relieved: 0, memoryBytes: () => one.bytes, relieveMemory: () => void one.relieved++ }
  return one
}

test('from half of the bound on the largest replica is asked to make room, and at the bound the node is full', () => {
  const guard = new MemoryGuard(100)
  const [small, large] = [replica(10), replica(30)]
  guard.look([small, large])
  expect([small.relieved, large.relieved, guard.full]).toEqual([0, 0, false])
  large.bytes = 60
  guard.look([small, large])
  expect([small.relieved, large.relieved, guard.full]).toEqual([0, 1, false])
  small.bytes = 40
  guard.look([small, large])
  expect(guard.full).toBe(true)
  large.bytes = 0
  guard.look([small, large])
  expect(guard.full).toBe(false)
})
