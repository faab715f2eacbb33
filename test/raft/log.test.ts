import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Entry } from '../../src/base/log-entry.ts'
import { RaftLog } from '../../src/raft/log.ts'
import { findConflictByTerm, maybeAppend } from '../../src/raft/log-match.ts'
import { bytes, entriesOf, votersOf } from './harness/entries.ts'
import { MemoryLog } from './harness/memory-log.ts'
import { UNLIMITED } from './harness/node.ts'

function logOf(terms: readonly number[]): { log: RaftLog; disk: MemoryLog } {
  const disk = new MemoryLog()
  disk.append(entriesOf(terms))
  const log = new RaftLog({
    storage: disk,
    maxApplyingBytes: UNLIMITED,
    applyUnstable: false,
    stateLost: false,
    onTruncate: () => undefined,
  })
  return { log, disk }
}

function rising(start: number, stride: number, growth: readonly number[]): number[] {
  let term = start
  return growth.map((more) => {
    term += more * stride
    return term
  })
}

/** What the log must be equal to: an array, and how much of it is on disk, committed and handed out. */
interface Model {
  list: Entry[]
  committed: number
}

type Command =
  | { type: 'append'; back: number; terms: number[] }
  | { type: 'ready' }
  | { type: 'persist' }
  | { type: 'commit'; ahead: number }
  | { type: 'apply' }
  | { type: 'compact' }

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    type: fc.constant('append' as const),
    back: fc.nat(4),
    terms: fc.array(fc.nat(2), { minLength: 1, maxLength: 4 }),
  }),
  fc.constant({ type: 'ready' as const }),
  fc.constant({ type: 'persist' as const }),
  fc.record({ type: fc.constant('commit' as const), ahead: fc.nat(3) }),
  fc.constant({ type: 'apply' as const }),
  fc.constant({ type: 'compact' as const }),
)

class LogUnderTest {
  readonly disk = new MemoryLog()
  readonly log = new RaftLog({
    storage: this.disk,
    maxApplyingBytes: 60,
    applyUnstable: false,
    stateLost: false,
    onTruncate: () => undefined,
  })
  readonly model: Model = { list: [], committed: 0 }
  #writes: (readonly Entry[])[] = []
  #applied: Entry[] = []
  #term = 0

  run(c: Command): void {
    if (c.type === 'append') this.#append(c.back, c.terms)
    else if (c.type === 'ready') this.#ready()
    else if (c.type === 'persist') this.#persist()
    else if (c.type === 'commit') this.#commit(c.ahead)
    else if (c.type === 'apply') this.#apply()
    else this.#compact()
    this.#check()
  }

  /** Each append is of terms of its own, as if each came from another leader. */
  #append(back: number, growth: number[]): void {
    const from = Math.max(this.model.committed, this.model.list.length - back)
    this.#term++
    const entries = growth.map((more, at): Entry => {
      this.#term += more
      return { term: this.#term, index: from + 1 + at, type: 'normal', data: bytes(`${this.#term}`) }
    })
    this.model.list = [...this.model.list.slice(0, from), ...entries]
    this.log.append(entries)
  }

  #ready(): void {
    const { unstable } = this.log
    if (!unstable.hasNewEntries) return
    this.#writes.push(unstable.newEntries())
    unstable.acceptInProgress()
  }

  #persist(): void {
    const entries = this.#writes.shift()
    const last = entries?.at(-1)
    if (entries === undefined || last === undefined) return
    this.disk.append(entries)
    this.log.unstable.stableTo({ term: last.term, index: last.index })
  }

  #commit(ahead: number): void {
    this.model.committed = Math.min(this.model.list.length, this.model.committed + ahead)
    this.log.commitTo(this.model.committed)
  }

  #apply(): void {
    const entries = this.log.committedToApply()
    this.log.acceptApplying(entries)
    this.#applied.push(...entries)
    if (entries.length > 0) this.log.window.appliedTo(entries.at(-1)?.index ?? 0)
    expect(this.#applied).toEqual(this.model.list.slice(0, this.#applied.length))
    expect(this.#applied.length).toBeLessThanOrEqual(Math.min(this.model.committed, this.disk.lastIndex()))
  }

  #compact(): void {
    const index = this.#applied.length
    if (index > this.disk.base.index) {
      this.disk.compact({ index, term: this.disk.term(index) ?? 0, confState: votersOf(1) })
    }
  }

  #check(): void {
    const { list, committed } = this.model
    expect(this.log.lastIndex).toBe(list.length)
    expect(this.log.committed).toBe(committed)
    for (let index = this.log.firstIndex; index <= list.length; index++) {
      expect(this.log.term(index)).toBe(list[index - 1]?.term)
    }
    const first = this.log.firstIndex
    expect(this.log.entriesFrom(first, UNLIMITED)).toEqual(list.slice(first - 1))
    expect(this.log.entriesFrom(first, 1)).toEqual(list.slice(first - 1, first))
    expect(this.log.term(list.length + 1)).toBeUndefined()
    if (first > 1) expect(this.log.entriesFrom(first - 1, 1)).toBeUndefined()
  }
}

describe('the log', () => {
  test('is what an array would be, however writes, truncations and compactions interleave', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        const log = new LogUnderTest()
        for (const c of commands) log.run(c)
      }),
      { numRuns: 1500 },
    )
  })

  test('two logs that a leader has brought together agree entirely (log matching, §5.3)', () => {
    // A common beginning; where they part, one log has odd terms and the other even ones.
    const growth = fc.array(fc.nat(2), { maxLength: 6 })
    const pair = fc.tuple(growth, growth, growth).map(([common, odd, even]) => {
      const prefix = rising(1, 1, common)
      const from = 2 * (prefix.at(-1) ?? 1)
      return { mine: [...prefix, ...rising(from + 1, 2, odd)], theirs: [...prefix, ...rising(from + 2, 2, even)] }
    })
    fc.assert(
      fc.property(pair, ({ mine, theirs }) => {
        const leader = logOf(mine)
        const follower = logOf(theirs)
        let prev = leader.log.lastIndex
        for (let rounds = 0; ; rounds++) {
          expect(rounds).toBeLessThanOrEqual(mine.length + 1)
          const slice = {
            prev: { index: prev, term: leader.log.term(prev) ?? 0 },
            entries: entriesOf(mine).slice(prev),
            commit: 0,
          }
          if (maybeAppend(follower.log, slice) !== undefined) break
          const from = { index: Math.min(prev, follower.log.lastIndex), term: slice.prev.term }
          const hint = findConflictByTerm(follower.log, from)
          const back = findConflictByTerm(leader.log, hint)
          // The leader never goes back behind the last place where both agree.
          const agreed = mine.findIndex((term, at) => theirs[at] !== term)
          expect(back.index).toBeGreaterThanOrEqual(Math.min(agreed === -1 ? mine.length : agreed, theirs.length))
          prev = Math.min(back.index, prev - 1)
        }
        const length = Math.max(mine.length, mine.every((term, at) => theirs[at] === term) ? theirs.length : 0)
        expect(follower.log.lastIndex).toBe(length)
        for (let index = 1; index <= mine.length; index++) expect(follower.log.term(index)).toBe(mine[index - 1])
      }),
      { numRuns: 2000 },
    )
  })

  test('replacing a committed entry is a broken invariant', () => {
    const { log } = logOf([1, 1])
    log.commitTo(2)
    expect(() => log.append(entriesOf([2], 2))).toThrow('committed entries are never replaced')
    expect(() => maybeAppend(log, { prev: { index: 1, term: 1 }, entries: entriesOf([2], 2), commit: 0 })).toThrow(
      'a leader never contradicts a committed entry',
    )
    expect(() => log.commitTo(3)).toThrow('the commit index is within the log')
  })

  test.each([
    { from: { index: 5, term: 9 }, found: { index: 5, term: 4 } },
    { from: { index: 5, term: 3 }, found: { index: 3, term: 2 } },
    { from: { index: 5, term: 1 }, found: { index: 1, term: 1 } },
    { from: { index: 3, term: 2 }, found: { index: 3, term: 2 } },
    { from: { index: 0, term: 9 }, found: { index: 0, term: 0 } },
    { from: { index: 9, term: 4 }, found: { index: 9, term: 0 } },
  ])('the conflict by term from $from on terms 1 2 2 4 4 is $found', ({ from, found }) => {
    expect(findConflictByTerm(logOf([1, 2, 2, 4, 4]).log, from)).toEqual(found)
  })
})
