/** Faults in changes of membership (§6) and in linearizable reads (§8; §6.4 of the dissertation). */
import { type Mutant, testsOf } from '../mutant.ts'
import { SIMULATION } from './simulation.ts'

const membership = testsOf('raft/membership.test.ts')
const readIndex = testsOf('raft/read-index.test.ts')

export const MEMBERSHIP_MUTANTS: readonly Mutant[] = [
  {
    name: 'dead-heir-tried-again',
    breaks: 'a leader that leaves hands over to nobody twice running',
    file: 'raft/membership.ts',
    find: 'id === r.triedHeir || ',
    replace: '',
    killers: membership(
      'a leader that leaves hands over to who was heard from, nobody twice running, and takes proposals between tries',
    ),
  },
  {
    name: 'no-proposals-between-heirs',
    breaks: 'between two tries of a leader that leaves proposals are taken',
    file: 'raft/membership.ts',
    find: 'r.transferee === 0 && !r.restsFromTry',
    replace: 'r.transferee === 0',
    killers: membership(
      'a leader that leaves hands over to who was heard from, nobody twice running, and takes proposals between tries',
    ),
  },
  {
    name: 'joint-commit-by-one-half',
    breaks: '§6: in a joint configuration an entry is committed by separate majorities of both',
    file: 'raft/quorum.ts',
    find: 'Math.min(majorityIndex(config.voters, indexOf), majorityIndex(config.votersOutgoing, indexOf))',
    replace: 'majorityIndex(config.voters, indexOf)',
    killers: [...membership('in a joint configuration the acknowledgements of $acks commit: $commits'), SIMULATION],
  },
  {
    name: 'joint-votes-of-one-half',
    breaks: '§6: in a joint configuration an election needs separate majorities of both',
    file: 'raft/quorum.ts',
    find: 'if (incoming === outgoing) return incoming',
    replace: "if (incoming === outgoing || incoming === 'won') return incoming",
    killers: membership('in a joint configuration the votes of $votes win: $wins'),
  },
  {
    name: 'campaign-with-unapplied-change',
    breaks: '§6: a replica runs only under the newest committed configuration',
    file: 'raft/election.ts',
    find: "return hasUnappliedConfChange(r) ? 'pendingConfChange' : undefined",
    replace: 'return undefined',
    killers: membership('a replica that has not applied a committed change does not run'),
  },
  {
    name: 'second-change-while-one-is-pending',
    breaks: '§6: one change of membership at a time',
    file: 'raft/propose.ts',
    find: "if (pendingConfIndex > r.log.applied) return 'pending'",
    replace: '',
    killers: membership('while one change is not applied a second is refused, and an empty entry keeps its place'),
  },
  {
    name: 'change-before-inherited-entries-are-applied',
    breaks: '§6: a new leader proposes no change before it knows those of its predecessors',
    file: 'raft/election.ts',
    find: 'r.pendingConfIndex = r.log.lastIndex',
    replace: 'r.pendingConfIndex = 0',
    killers: membership('a new leader proposes no change before everything it inherited is applied'),
  },
  {
    name: 'learner-campaigns',
    breaks: '§4.2.1 of the dissertation: a learner is not counted and starts no election',
    file: 'raft/election.ts',
    find: '&& !own.learner ',
    replace: '',
    killers: membership('a learner gets the log, is not counted, and starts no election'),
  },
  {
    name: 'read-index-by-fresh-leader',
    breaks: '§8: a leader knows what is committed only once an entry of its term is',
    file: 'raft/read-index.ts',
    find: 'if (committedInTerm(r)) startRead',
    replace: 'if (r.term > 0) startRead',
    killers: readIndex(
      'a new leader answers a read only when it has committed in its term, and then from the newer index',
    ),
  },
  {
    name: 'read-index-without-quorum-round',
    breaks: '§8: a leader that may have been deposed must not answer reads',
    file: 'raft/read-index.ts',
    find: 'r.config.leaseReads === true || aloneVoting(r)',
    replace: 'r.term > 0',
    killers: [
      ...readIndex(
        'a leader that cannot reach a quorum answers no read',
        'a forced transfer vote does not let the old leader serve a stale read',
      ),
      SIMULATION,
    ],
  },
  {
    name: 'learner-refuses-its-vote',
    breaks: '§4.2.1 of the dissertation: who was promoted may not know it yet, and is needed',
    file: 'raft/election.ts',
    find: 'const granted = mayVote &&',
    replace: 'const granted = isPromotable(r) && mayVote &&',
    killers: membership('a learner that was promoted without knowing it votes, so that an election can end'),
  },
  {
    name: 'lease-reads-without-check-quorum',
    breaks: '§6.4.1 of the dissertation: who reads by lease must give up leadership without a quorum',
    file: 'raft/raft.ts',
    find: "assert(config.leaseReads !== true || config.checkQuorum, 'lease reads need checkQuorum')",
    replace: '',
    killers: readIndex(
      'leases for reads rest on a leader that steps down without a quorum, so they are refused without that',
    ),
  },
  {
    name: 'read-confirmed-by-an-earlier-heartbeat',
    breaks: '§6.4 of the dissertation: the quorum confirms after the request came',
    file: 'raft/read-index.ts',
    find: 'r.reads.confirm(m.from, m.context,',
    replace: 'r.reads.confirm(m.from, r.reads.lastPending,',
    killers: readIndex('an answer to a heartbeat confirms only the reads that were asked for before it'),
  },
  {
    name: 'read-confirmed-by-an-earlier-leadership',
    breaks: '§8: a confirmation says who leads in its own term only',
    file: 'raft/read-queue.ts',
    find: 'this.#confirmed.clear()',
    replace: '',
    killers: readIndex('what was confirmed in one leadership confirms nothing in the next'),
  },
  {
    name: 'removed-leader-is-its-own-quorum',
    breaks: '§6: a leader that removed itself does not count itself in majorities',
    file: 'raft/read-index.ts',
    find: 'r.conf.voters[0] === r.id',
    replace: 'r.conf.voters[0] !== 0',
    killers: readIndex('a leader that removed itself is not its own quorum'),
  },
]
