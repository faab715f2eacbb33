import { expect, test } from 'vitest'
import { SoakBooks } from '../../bench/soak-books.ts'

const at = (index: number, partition = 3) => ({ partition, index, dueMs: 1000 })

function settledOne(): SoakBooks {
  const books = new SoakBooks(10)
  books.stored(0)
  books.delivered(0, at(1), 1000)
  books.settled(0)
  return books
}

test('what was stored, delivered in time and acknowledged balances, whatever came first', () => {
  const books = settledOne()
  books.delivered(1, at(2), 1001)
  books.settled(1)
  books.stored(1)
  expect([books.verdict(), books.waiting, books.acked]).toEqual(['ok', 0, 2])
})

test('what was stored and never acknowledged is lost', () => {
  const books = settledOne()
  books.stored(1)
  expect(books.verdict()).toBe('1 lost')
})

test('a delivery after its confirmed acknowledgement is a fault, one after a lost acknowledgement is not', () => {
  const books = settledOne()
  books.stored(1)
  books.delivered(1, at(2), 1000)
  books.doubtful(1)
  books.delivered(1, at(2), 1000)
  expect([books.verdict(), books.again]).toEqual(['ok', 1])
  books.delivered(0, at(1), 1000)
  expect(books.verdict()).toBe('1 delivered after its acknowledgement')
})

test('one number at two places, one before its time and one that was refused are faults', () => {
  const books = new SoakBooks(10)
  for (const number of [0, 1]) books.stored(number)
  books.failed(2, 'refused')
  books.delivered(0, at(1), 1000)
  books.delivered(0, at(1, 4), 1000)
  books.delivered(1, at(2), 999)
  books.delivered(2, at(3), 1000)
  for (const number of [0, 1]) books.settled(number)
  expect(books.verdict()).toBe('1 stored twice, 1 early, 1 refused and yet found')
})

test('an unanswered produce may be found once or never', () => {
  const books = settledOne()
  books.failed(1, 'unknown')
  expect(books.verdict()).toBe('ok')
  books.delivered(1, at(2), 1000)
  books.settled(1)
  expect([books.verdict(), books.unknown]).toEqual(['ok', 1])
})
