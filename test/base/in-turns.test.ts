import { expect, test } from 'vitest'
import { InTurns } from '../../src/base/in-turns.ts'
import { TURNS_PER_ROUND } from '../../src/base/limits.ts'

/** Turns that end when the test says so. */
function turns(): { env: { endOfTurn(run: () => void): void }; turn: () => void } {
  const ends: (() => void)[] = []
  return {
    env: { endOfTurn: (run) => void ends.push(run) },
    turn: () => {
      for (const end of ends.splice(0)) end()
    },
  }
}

test('so many are done at once, as many in each turn after it, each once and in their order', () => {
  const { env, turn } = turns()
  const done: number[] = []
  const works = new InTurns<number>(env, 10, (item) => done.push(item))
  for (let i = 0; i < 25; i++) works.add(i)
  const sums = [done.length]
  for (let i = 0; i < 3; i++) {
    turn()
    // Who comes while others wait comes behind them.
    if (i === 0) works.add(25)
    sums.push(done.length)
  }
  expect(sums).toEqual([10, 20, 26, 26])
  expect(done).toEqual(Array.from({ length: 26 }, (_, i) => i))
})

test('what a turn has done already counts, also what had waited', () => {
  const { env, turn } = turns()
  let done = 0
  const works = new InTurns<number>(env, 10, () => done++)
  for (let i = 0; i < 19; i++) works.add(i)
  turn()
  expect(done).toBe(19)
  works.add(19)
  works.add(20)
  expect(done).toBe(20)
  turn()
  expect(done).toBe(21)
})

test('of very many a part has its turn in each: who waits for a processor gets as much done', () => {
  const { env, turn } = turns()
  let done = 0
  const works = new InTurns<number>(env, 10, () => done++)
  for (let i = 0; i < 1010; i++) works.add(i)
  turn()
  expect(done).toBe(10 + 1000 / TURNS_PER_ROUND)
})
