import { expect, test } from 'vitest'
import { inTurns } from '../../src/base/in-turns.ts'
import { VirtualTime } from '../virtual-env.ts'

test('so many are done at once, as many in each turn after it, each once and in their order', async () => {
  const time = new VirtualTime()
  const env = time.env()
  const done: number[] = []
  const sums: number[] = []
  const items = Array.from({ length: 25 }, (_, i) => i)
  const turned = () => {
    sums.push(done.length)
    if (done.length < items.length) env.endOfTurn(turned)
  }
  inTurns(env, items.values(), 10, (item) => done.push(item) > 0)
  turned()
  await time.run(0)
  expect(sums).toEqual([10, 20, 25])
  expect(done).toEqual(items)
})

test('nothing more is done once it is in vain', async () => {
  const time = new VirtualTime()
  const done: number[] = []
  inTurns(time.env(), [1, 2, 3, 4].values(), 2, (item) => done.push(item) < 3)
  await time.run(0)
  expect(done).toEqual([1, 2, 3])
})
