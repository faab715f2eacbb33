import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { quorumIndex, quorumVote } from '../../src/raft/quorum.ts'

const ids = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 7 })
const indexes = fc.array(fc.option(fc.nat(12), { nil: undefined }), { minLength: 10, maxLength: 10 })
const votes = fc.array(fc.option(fc.boolean(), { nil: undefined }), { minLength: 10, maxLength: 10 })

/** By definition: the largest reported index that more than half have reached. */
function naiveIndex(members: readonly number[], of: readonly (number | undefined)[]): number {
  if (members.length === 0) return Number.POSITIVE_INFINITY
  const reached = (index: number): boolean => members.filter((id) => (of[id] ?? 0) >= index).length * 2 > members.length
  let best = 0
  for (let index = 0; index <= 12; index++) if (reached(index)) best = index
  return best
}

/** By definition: whether all ways, or no way, the missing votes may fall give a majority. */
function naiveVote(members: readonly number[], of: readonly (boolean | undefined)[]): string {
  const wins = (missing: boolean): boolean =>
    members.length === 0 || members.filter((id) => of[id] ?? missing).length * 2 > members.length
  if (wins(false)) return 'won'
  return wins(true) ? 'pending' : 'lost'
}

function both(a: string, b: string): string {
  if (a === 'lost' || b === 'lost') return 'lost'
  return a === 'won' && b === 'won' ? 'won' : 'pending'
}

describe('quorum maths (§5.4, §6)', () => {
  test('the committed index of one or two majorities is what the definition says', () => {
    fc.assert(
      fc.property(ids, ids, indexes, (voters, votersOutgoing, of) => {
        const naive = Math.min(naiveIndex(voters, of), naiveIndex(votersOutgoing, of))
        expect(quorumIndex({ voters, votersOutgoing }, (id) => of[id])).toBe(naive)
      }),
      { numRuns: 50_000 },
    )
  })

  test('an election in one or two majorities ends as the definition says', () => {
    fc.assert(
      fc.property(ids, ids, votes, (voters, votersOutgoing, of) => {
        const naive = both(naiveVote(voters, of), naiveVote(votersOutgoing, of))
        expect(quorumVote({ voters, votersOutgoing }, (id) => of[id])).toBe(naive)
      }),
      { numRuns: 50_000 },
    )
  })

  test('nobody voting agrees to everything, so that a missing half holds nothing back', () => {
    const nobody = { voters: [], votersOutgoing: [] }
    expect(quorumIndex(nobody, () => 5)).toBe(Number.POSITIVE_INFINITY)
    expect(quorumVote(nobody, () => false)).toBe('won')
  })
})
