import { expect, test } from 'vitest'
import { Overdue } from '../../../src/rpc/bounds/overdue.ts'
import { ManualEnv } from '../../storage/manual-env.ts'

test('who began first is late first, and who began again begins anew', () => {
  const env = new ManualEnv()
  const late: string[] = []
  const overdue = new Overdue<string>(env, 10, (one) => late.push(one))
  overdue.add('a')
  env.advance(4)
  overdue.add('b')
  overdue.add('c')
  env.advance(4)
  overdue.add('a')
  overdue.delete('c')
  env.advance(5)
  expect(late).toEqual([])
  env.advance(1)
  expect(late).toEqual(['b'])
  env.advance(4)
  expect(late).toEqual(['b', 'a'])
})

test('many that are late at once take several turns', () => {
  const env = new ManualEnv()
  let late = 0
  const overdue = new Overdue<number>(env, 10, () => {
    late += 1
    // Each takes a millisecond.
    env.advance(1)
  })
  for (let i = 0; i < 100; i++) overdue.add(i)
  env.advance(10)
  expect(late).toBeLessThan(10)
  for (let turns = 0; late < 100; turns++) {
    expect(turns).toBeLessThan(100)
    env.advance(0)
  }
})
