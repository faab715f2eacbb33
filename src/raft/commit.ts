/**
 * Commitment (§5.3, §5.4.2).
 */
import { quorumIndex } from './quorum.ts'
import type { RaftState } from './state.ts'

/** Advances the leader's commit index to what a quorum has; whether it moved. */
export function maybeCommit(r: RaftState): boolean {
  const index = quorumIndex(r.conf, r.matchOf)
  // §5.4.2: replicas are counted only for entries of the current term; earlier ones commit with them (figure 8).
  if (index <= r.log.committed || r.log.term(index) !== r.term) return false
  r.log.commitTo(index)
  return true
}

/** Before this a new leader's commit index may be behind what its predecessor acknowledged (§8). */
export function committedInTerm(r: RaftState): boolean {
  return r.log.term(r.log.committed) === r.term
}
