import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fifo } from '../../src/base/fifo.ts'

const OPERATIONS = fc.array(fc.constantFrom('push', 'push', 'push', 'unshift', 'shift', 'shift', 'drain'), {
  maxLength: 400,
  size: 'max',
})

test('a queue gives back in order whatever came, from both ends', () => {
  fc.assert(
    fc.property(OPERATIONS, (operations) => {
      const queue = new Fifo<number>()
      const model: number[] = []
      for (const [n, operation] of operations.entries()) {
        if (operation === 'push') {
          queue.push(n)
          model.push(n)
        } else if (operation === 'unshift') {
          queue.unshift(n)
          model.unshift(n)
        } else if (operation === 'shift') expect(queue.shift()).toBe(model.shift())
        else if (n % 10 === 0) expect(queue.drain()).toEqual(model.splice(0))
        expect([queue.length, queue.first, queue.last]).toEqual([model.length, model[0], model.at(-1)])
        expect([queue.at(-1), queue.at(model.length), queue.at(1)]).toEqual([undefined, undefined, model[1]])
      }
      expect([...queue]).toEqual(model)
    }),
  )
})

test('a long queue is taken apart in order', () => {
  const queue = new Fifo<number>()
  for (let n = 0; n < 10_000; n++) queue.push(n)
  for (let n = 0; n < 9_990; n++) expect(queue.shift()).toBe(n)
  expect([...queue]).toEqual(Array.from({ length: 10 }, (_, n) => 9_990 + n))
})

test('what was given away is not referred to any more', async () => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const queue = new Fifo<object>()
  const all: WeakRef<object>[] = []
  for (let n = 0; n < 12; n++) {
    const item = { n }
    all.push(new WeakRef(item))
    queue.push(item)
  }
  for (let n = 0; n < 5; n++) queue.shift()
  // A reference that was looked through is strong to the end of its turn.
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  expect(all.map((ref) => ref.deref() !== undefined)).toEqual(all.map((_, n) => n >= 5))
  expect(queue.length).toBe(7)
})
