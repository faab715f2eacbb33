import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  comparePositions,
  type KnownMessage,
  SortedMessages,
} from '../../../src/broker/dispatcher/windows/sorted-messages.ts'

const position = fc.record({ due: fc.nat(300), index: fc.nat(30) })
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('add' as const), at: position }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('drop' as const), at: position }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('last' as const), at: position }) },
)

function walked(messages: SortedMessages, after: { due: number; index: number }): KnownMessage[] {
  const out: KnownMessage[] = []
  messages.walk(after, (message) => out.push(message) > 0)
  return out
}

test('it holds what a plain sorted array would, through inserts and removals', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 3000, size: 'max' }), position, (steps, after) => {
      const messages = new SortedMessages()
      let model: KnownMessage[] = []
      for (const { type, at } of steps) {
        if (type === 'add') {
          const message = { ...at, body: new Uint8Array(at.index) }
          messages.add(message)
          if (!model.some((m) => comparePositions(m, at) === 0)) model.push(message)
          model.sort(comparePositions)
        } else if (type === 'drop' && at.due < 30) {
          messages.dropThrough(at)
          model = model.filter((m) => comparePositions(m, at) > 0)
        } else if (type === 'last') {
          messages.dropLast()
          model.pop()
        }
      }
      expect(messages.count).toBe(model.length)
      expect(messages.bytes).toBe(model.reduce((n, m) => n + m.body.length, 0))
      expect(messages.first).toEqual(model[0])
      expect(messages.last).toEqual(model.at(-1))
      const ahead = model.filter((m) => comparePositions(m, after) > 0)
      expect(walked(messages, after)).toEqual(ahead)
      expect(messages.countAfter(after)).toBe(ahead.length)
    }),
    { numRuns: 12 },
  )
})

test('a walk stops when it is told to, and those ahead are counted without one', () => {
  const messages = new SortedMessages()
  for (let i = 1; i <= 2000; i++) messages.add({ due: i, index: i, body: new Uint8Array() })
  let seen = 0
  messages.walk({ due: 700, index: 700 }, () => ++seen < 5)
  expect(seen).toBe(5)
  expect(messages.countAfter({ due: 700, index: 700 })).toBe(1300)
  expect(messages.countAfter({ due: 2000, index: 2000 })).toBe(0)
})
