import { expect, test } from 'vitest'
import { MemoryGuard } from '../../src/replication/memory-guard.ts'

const MIB = 1024 * 1024

const replica = (bytes: number) => {
  const one = {
    bytes,
    saving: false,
    relieved: 0,
    memoryBytes: () => one.bytes,
    relievableBytes: () => (one.saving ? 0 : one.bytes),
    relieveMemory: () => void one.relieved++,
  }
  return one
}

test('from half of the bound on the largest replica is asked to make room, and at the bound the node is full', () => {
  const guard = new MemoryGuard({ memoryBytes: 100, memoryReliefBytes: 100 })
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

test('above the relief bound the largest replica is asked, but none that would free less than a mebibyte', () => {
  const guard = new MemoryGuard({ memoryBytes: 1000 * MIB, memoryReliefBytes: 4 * MIB })
  const [small, large] = [replica(MIB / 2), replica(3 * MIB)]
  guard.look([small, large])
  expect([small.relieved, large.relieved]).toEqual([0, 0])
  large.bytes = 4 * MIB
  guard.look([small, large])
  expect([small.relieved, large.relieved]).toEqual([0, 1])
  const many = Array.from({ length: 20 }, () => replica(MIB / 2))
  guard.look(many)
  expect(many.filter((one) => one.relieved > 0)).toEqual([])
})

test('a replica whose checkpoint is on its way is not asked again: the next largest is', () => {
  const guard = new MemoryGuard({ memoryBytes: 100, memoryReliefBytes: 100 })
  const [saving, other] = [replica(50), replica(20)]
  saving.saving = true
  guard.look([saving, other])
  expect([saving.relieved, other.relieved, guard.full]).toEqual([0, 1, false])
})
