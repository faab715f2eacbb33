/**
 * Proposals of one replica that lie in its log and wait to be applied, by (term, index). Invariant: each is answered
 * exactly once; an answer leaves the table before it is given, so that `done` may propose again.
 */
import { assert } from '../base/assert.ts'
import type { ProposalOutcome } from './group.ts'

export interface Answerable<R> {
  done(outcome: ProposalOutcome<R>): void
}

interface Waiting<R> {
  readonly term: number
  readonly proposal: Answerable<R>
}

export interface ProposalCounts {
  applied: number
  refused: number
  unknown: number
}

export class Proposals<R> {
  /** By index, ascending: a leader appends in order. */
  readonly #waiting = new Map<number, Waiting<R>>()
  readonly #counts: ProposalCounts

  constructor(counts: ProposalCounts) {
    this.#counts = counts
  }

  add(term: number, index: number, proposal: Answerable<R>): void {
    assert(!this.#waiting.has(index), 'one proposal waits at an index')
    this.#waiting.set(index, { term, proposal })
  }

  /** Whether somebody waits for what lies at (term, index): replies are kept for nobody else. */
  waits(term: number, index: number): boolean {
    return this.#waiting.get(index)?.term === term
  }

  /** The entry of `term` at `index` was applied: another one than proposed means that the proposal was replaced. */
  applied(term: number, index: number, at: number, replies: readonly R[]): void {
    const waiting = this.#waiting.get(index)
    if (waiting === undefined) return
    this.#waiting.delete(index)
    if (waiting.term !== term) {
      this.#unknown(waiting)
      return
    }
    this.#counts.applied++
    waiting.proposal.done({ type: 'applied', index, at, replies })
  }

  /** A snapshot up to `index` replaced these entries: what became of them cannot be told. */
  passed(index: number): void {
    this.#drop((at) => at <= index)
  }

  /** Leadership of `term` ended; entries up to `certain` are committed and about to be applied. */
  steppedDown(term: number, certain: number): void {
    this.#drop((at, waiting) => waiting.term <= term && at > certain)
  }

  all(): void {
    this.#drop(() => true)
  }

  #drop(which: (index: number, waiting: Waiting<R>) => boolean): void {
    if (this.#waiting.size === 0) return
    const dropped: Waiting<R>[] = []
    for (const [index, waiting] of this.#waiting) {
      if (!which(index, waiting)) continue
      this.#waiting.delete(index)
      dropped.push(waiting)
    }
    for (const waiting of dropped) this.#unknown(waiting)
  }

  #unknown({ proposal }: Waiting<R>): void {
    this.#counts.unknown++
    proposal.done({ type: 'unknown' })
  }
}
