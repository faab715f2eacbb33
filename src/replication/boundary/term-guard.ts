/**
 * How far a message may raise a replica's term (docs/decisions/013-terms-of-peers.md): by a step at any time, as elections
 * do; by a leap now and then, as for a replica that was away. So no message, and no flood of them, brings a group near the last
 * term, in which nobody can be elected any more.
 */
import type { Env } from '../../base/env.ts'
import { TERM_LEAP_EVERY_MS, TERM_LEAP_MAX, TERM_STEP_MAX } from '../../base/limits.ts'
import { violation } from '../../base/violation.ts'
import type { RaftGroup } from '../../raft/raft.ts'
import type { Message } from '../../raft/types.ts'

export class TermGuard {
  readonly #env: Env
  readonly #raft: Pick<RaftGroup, 'term' | 'enterTerm'>
  readonly #entered: () => void
  #leaptMs = Number.NEGATIVE_INFINITY

  /** `entered`: the core stepped into a term without a message. */
  constructor(env: Env, raft: Pick<RaftGroup, 'term' | 'enterTerm'>, entered: () => void) {
    this.#env = env
    this.#raft = raft
    this.#entered = entered
  }

  /** False: it comes too soon after another leap, and is dropped. Throws INVALID for a term further away than a leap. */
  admits(m: Message): boolean {
    return m.term - this.#raft.term <= TERM_STEP_MAX || this.#leap(m)
  }

  #leap(m: Message): boolean {
    const { term } = this.#raft
    const tooFar = m.term - term > TERM_LEAP_MAX
    if (entersItsTerm(m)) {
      const nowMs = this.#env.monoMs()
      if (nowMs - this.#leaptMs < TERM_LEAP_EVERY_MS) return false
      this.#leaptMs = nowMs
      // Its group may really be that far away: leap by leap this replica gets there.
      if (tooFar && m.type !== 'requestVote') this.#enter(term + TERM_LEAP_MAX)
    }
    if (tooFar) throw violation('term', `term ${m.term} is too far from ${term}`)
    return true
  }

  #enter(term: number): void {
    this.#raft.enterTerm(term)
    this.#entered()
  }
}

/** A pre-vote asks about a term that nobody is in. */
function entersItsTerm(m: Message): boolean {
  return m.type !== 'requestPreVote' && (m.type !== 'requestPreVoteResponse' || m.reject)
}
