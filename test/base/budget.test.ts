import { expect, test } from 'vitest'
import { Budget } from '../../src/base/budget.ts'

/** Takes 1 at a time in turn, as long as any of them may; what each has. */
function fill(budget: Budget, holders: number): number[] {
  const held = new Array<number>(holders).fill(0)
  for (let took = true; took; ) {
    took = false
    for (const [i, own] of held.entries()) {
      if (budget.fullFor(own)) continue
      budget.take(1)
      held[i] = own + 1
      took = true
    }
  }
  return held
}

test.each([
  [1, 500],
  [2, 333],
  [9, 100],
])('%i that take all they can get have %i of 1,000 each, and one more finds room', (holders, share) => {
  const budget = new Budget(1000)
  for (const held of fill(budget, holders)) expect(Math.abs(held - share)).toBeLessThanOrEqual(1)
  expect(budget.fullFor(0)).toBe(false)
})

test('what is given back is there for others', () => {
  const budget = new Budget(1000)
  budget.take(1200)
  expect([budget.free, budget.fullFor(0)]).toEqual([-200, true])
  budget.giveBack(700)
  expect([budget.used, budget.free, budget.fullFor(499), budget.fullFor(500)]).toEqual([500, 500, false, true])
})
