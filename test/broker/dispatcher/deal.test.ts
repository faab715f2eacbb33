import { expect, test } from 'vitest'
import { ENTRY_MESSAGES_MAX, MESSAGE_BYTES_MAX } from '../../../src/base/limits.ts'
import { Deal } from '../../../src/broker/dispatcher/deals/deal.ts'

const message = (index: number, bytes = 10) => ({ due: index, index, body: new Uint8Array(bytes) })

test('sessions get one message each in turn while they have room', () => {
  const deal = new Deal([
    { session: 'a', room: 2 },
    { session: 'b', room: 10 },
    { session: 'c', room: 1 },
  ])
  for (let i = 1; i <= 7; i++) deal.give(message(i), 'fresh')
  expect(deal.hands.map(({ fresh }) => fresh.map(({ index }) => index))).toEqual([[1, 4], [2, 5, 6, 7], [3]])
  expect(deal.last).toBe('b')
  expect(deal.room).toBe(6)
})

test('one deal holds one entry of messages, or one frame of bytes', () => {
  const deal = new Deal([{ session: 'a', room: 100_000 }])
  expect(deal.room).toBe(ENTRY_MESSAGES_MAX)
  deal.give(message(1, 2 * MESSAGE_BYTES_MAX - 1), 'fresh')
  expect(deal.room).toBe(ENTRY_MESSAGES_MAX - 1)
  deal.give(message(2, 1), 'fresh')
  expect(deal.room).toBe(0)
})
