/** The table of waiting proposals alone: cases that a cluster reaches only by luck. */
import { expect, test } from 'vitest'
import { Proposals } from '../../src/replication/proposals.ts'

function table() {
  const counts = { applied: 0, refused: 0, unknown: 0 }
  const proposals = new Proposals<string>(counts)
  const answers: string[] = []
  const add = (term: number, index: number) =>
    proposals.add(term, index, { done: ({ type }) => answers.push(`${term}/${index} ${type}`) })
  return { proposals, counts, answers, add }
}

test('another entry applied where a proposal lay means that it was replaced', () => {
  const { proposals, counts, answers, add } = table()
  add(2, 5)
  proposals.applied(3, 5, 0, ['not yours'])
  expect(answers).toEqual(['2/5 unknown'])
  proposals.applied(2, 5, 0, [])
  proposals.all()
  expect(answers).toHaveLength(1)
  expect(counts).toEqual({ applied: 0, refused: 0, unknown: 1 })
})

test('stepping down leaves what is certain to be applied and what a later term proposed', () => {
  const { proposals, answers, add } = table()
  add(2, 5)
  add(2, 6)
  add(4, 9)
  proposals.steppedDown(2, 5)
  expect(answers).toEqual(['2/6 unknown'])
  proposals.applied(2, 5, 7, ['x'])
  expect(answers).toEqual(['2/6 unknown', '2/5 applied'])
  proposals.passed(8)
  expect(answers).toHaveLength(2)
  proposals.passed(9)
  expect(answers.at(-1)).toBe('4/9 unknown')
})

test('an answer may propose again at once', () => {
  const { proposals, add, answers } = table()
  proposals.add(1, 1, { done: () => add(1, 2) })
  proposals.all()
  expect(answers).toEqual([])
  proposals.applied(1, 2, 0, [])
  expect(answers).toEqual(['1/2 applied'])
})
