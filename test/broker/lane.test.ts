import { expect, test } from 'vitest'
import { Budget } from '../../src/base/budget.ts'
import { EntryBatch, Lane, WaitingCommand } from '../../src/broker/lane.ts'

const KIB = 1024

/** Fills the lane with commands of 1 KiB; how many went in. */
function fill(lane: Lane): number {
  let count = 0
  for (; !lane.full; count++) lane.push(new WaitingCommand(new Uint8Array(KIB), 1, () => undefined))
  return count
}

test('lanes of many partitions share what the node has, and who has nothing waiting finds room', () => {
  const budget = new Budget(1000 * KIB)
  const lanes = Array.from({ length: 7 }, () => new Lane(10_000 * KIB, budget))
  const counts = lanes.map(fill)
  expect(budget.used).toBeLessThan(1000 * KIB)
  expect(counts[0]).toBeGreaterThan(400)
  expect(fill(new Lane(10_000 * KIB, budget))).toBeGreaterThan(0)
})

test('a lane gives back what was answered and what was refused, and counts what a command pins', () => {
  const budget = new Budget(1000 * KIB)
  const lane = new Lane(10 * KIB, budget)
  expect(fill(lane)).toBe(9)
  const batch = new EntryBatch()
  const cost = lane.moveTo(batch)
  expect([batch.commands.length, lane.waiting, lane.full]).toEqual([9, false, true])
  lane.answered(cost)
  expect(budget.used).toBe(0)
  const frame = new Uint8Array(20 * KIB)
  lane.push(new WaitingCommand(frame.subarray(0, 10), 1, () => undefined))
  expect([lane.full, lane.drain().length, budget.used, lane.full]).toEqual([true, 1, 0, false])
})
