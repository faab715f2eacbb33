/**
 * Terms (§5.1): a logical clock that never goes back. Entering one forgets the vote, and nothing else does: stepping
 * down within a term keeps it, so that a replica votes once per term.
 */
import { restartTimeout } from './stall.ts'
import type { RaftState } from './state.ts'

export function becomeFollower(r: RaftState, term: number, leader: number): void {
  enterTerm(r, term)
  r.leader = leader
  r.role = 'follower'
  r.observe?.({ type: 'becameRole', role: 'follower', term })
}

/** Starts `term` afresh, or the same one in another role: timers, votes and what a leader knew of others. */
export function enterTerm(r: RaftState, term: number): void {
  if (r.term !== term) {
    r.term = term
    r.vote = 0
  }
  r.leader = 0
  restartTimeout(r)
  r.heartbeatElapsed = 0
  r.idleTicks = 0
  r.quiesced = false
  randomizeElectionTimeout(r)
  r.transferee = 0
  r.triedHeir = 0
  r.restsFromTry = false
  r.votes.clear()
  r.progress = restartedProgress(r)
  r.pendingConfIndex = 0
  r.uncommittedBytes = 0
  r.reads.reset()
}

/** §5.2: uniform in [electionTicks, 2 * electionTicks), so that candidates seldom collide twice. */
function randomizeElectionTimeout(r: RaftState): void {
  r.randomizedElectionTicks = r.config.electionTicks + r.config.random(r.config.electionTicks)
}

function restartedProgress(r: RaftState): RaftState['progress'] {
  const last = r.log.lastIndex
  const fresh: [number, ReturnType<RaftState['newProgress']>][] = []
  for (const old of r.progress.values()) {
    const progress = r.newProgress(old.id, last + 1, old.learner)
    if (old.id === r.id) progress.match = last
    fresh.push([old.id, progress])
  }
  return new Map(fresh)
}
