/** Faults in log replication (§5.3), commitment (§5.4.2), persistence (figure 2) and snapshots (§7). */
import { type Mutant, testsOf } from '../mutant.ts'
import { SIMULATION } from './simulation.ts'

const election = testsOf('raft/election.test.ts')
const persistence = testsOf('raft/persistence.test.ts')
const replication = testsOf('raft/replication.test.ts')
const snapshot = testsOf('raft/snapshot.test.ts')

export const LOG_MUTANTS: readonly Mutant[] = [
  {
    name: 'commit-of-old-term-entry',
    breaks: '§5.4.2: replicas are counted only for entries of the current term (figure 8)',
    file: 'raft/commit.ts',
    find: ' || r.log.term(index) !== r.term',
    replace: '',
    killers: replication(
      'a leader counts replicas only for entries of its own term',
      'figure 8: an old entry on a majority is replaced as long as nothing of a later term covers it',
    ),
  },
  {
    name: 'commit-is-leader-commit',
    breaks: '§5.3: commitIndex = min(leaderCommit, index of last new entry)',
    file: 'raft/log-match.ts',
    find: 'log.commitTo(Math.min(slice.commit, matched))',
    replace: 'log.commitTo(slice.commit)',
    killers: [...persistence('an empty append moves the commit index no further than what it verified'), SIMULATION],
  },
  {
    name: 'truncation-on-duplicate-append',
    breaks: '§5.3: only a conflict deletes entries; a repeated append leaves what follows it alone',
    file: 'raft/log-match.ts',
    find: 'const conflict = findConflict(log, slice.entries, onConflict)',
    replace: 'const conflict = slice.entries[0]?.index',
    killers: [...persistence('a repeated or late append leaves what follows it alone'), SIMULATION],
  },
  {
    name: 'append-without-consistency-check',
    breaks: '§5.3: a follower refuses an append unless its log has the entry before',
    file: 'raft/log-match.ts',
    find: 'if (!log.matches(slice.prev)) return undefined',
    replace: '',
    killers: [
      ...replication('an append behind $index/$logTerm on a log of terms 1, 2 is answered with $answer'),
      SIMULATION,
    ],
  },
  {
    name: 'append-into-committed-log',
    breaks: '§5.3: what lies below the commit index matches and is not judged again',
    file: 'raft/append-entries.ts',
    find: 'if (m.index < r.log.committed) {',
    replace: 'if (m.index < 0) {',
    killers: persistence('an append that begins before the commit index is answered with it and touches nothing'),
  },
  {
    name: 'stale-ack-moves-match-back',
    breaks: '§5.3: matchIndex increases monotonically',
    file: 'raft/progress.ts',
    find: 'if (index <= this.match) return false',
    replace: '',
    killers: replication('acknowledgements that arrive in another order lose nothing'),
  },
  {
    name: 'stale-refusal-believed',
    breaks: '§5.3: what was acknowledged since says more than a refusal that comes late',
    file: 'raft/progress.ts',
    find: 'if (rejected <= this.match) return false',
    replace: '',
    killers: replication(
      'appends that overtake each other are refused, sent once more, and the late refusal moves nothing',
    ),
  },
  {
    name: 'gap-in-what-is-sent',
    breaks: '§5.3: entries are sent behind the entry that precedes them, or not at all',
    file: 'raft/log.ts',
    find: "assert(durable[0]?.index === lo, 'storage returns entries from the index asked for')",
    replace: '',
    killers: persistence('storage that returns the wrong entries stops the leader instead of sending a gap'),
  },
  {
    name: 'ack-of-older-term-counted',
    breaks: '§5.1: a message of an older term is not acted upon',
    file: 'raft/step.ts',
    find: 'if (m.term < r.term) {',
    replace: "if (m.term < r.term && m.type !== 'appendEntriesResponse') {",
    killers: persistence('an acknowledgement given in an older term is not counted'),
  },
  {
    name: 'ack-before-persistence',
    breaks: '§5.3, figure 2: a follower answers an append when its entries are durable',
    file: 'raft/state.ts',
    find: "case 'appendEntriesResponse':",
    replace: '',
    killers: [...persistence('an acknowledgement waits for the write it acknowledges'), SIMULATION],
  },
  {
    name: 'vote-before-persistence',
    breaks: 'figure 2: term and vote are durable before the answer',
    file: 'raft/state.ts',
    find: "case 'requestVoteResponse':",
    replace: '',
    killers: [...persistence('a vote waits for term and vote to be durable'), SIMULATION],
  },
  {
    name: 'vote-asked-before-own-is-durable',
    breaks: 'figure 2: a candidate has voted for itself, durably, before it asks',
    file: 'raft/state.ts',
    find: 'return r.config.earlyVoteRequests !== true',
    replace: 'return false',
    killers: election('a candidate asks for votes only when its own vote is durable'),
  },
  {
    name: 'leader-counts-itself-before-its-disk',
    breaks: '§10.2.1 of the dissertation: a leader counts its own log like any other, when it is durable',
    file: 'raft/append-entries.ts',
    find: "send(r, 'appendEntriesResponse', r.id, { index: last + entries.length })",
    replace: 'r.progress.get(r.id)?.maybeUpdate(last + entries.length)',
    killers: persistence('a leader counts itself only when its own write is durable'),
  },
  {
    name: 'applied-before-durable-here',
    breaks: 'architecture §3: an entry is handed out for applying only when it is durable on this node',
    file: 'raft/log.ts',
    find: 'this.#applyUnstable ? this.#committed : Math.min(this.#committed, this.unstable.offset - 1)',
    replace: 'this.#committed',
    killers: [
      ...persistence('an entry is not handed out for applying before it is durable here, though others committed it'),
      SIMULATION,
    ],
  },
  {
    name: 'replaced-write-confirms-its-successor',
    breaks: 'architecture §3: a write confirmed after its entries were replaced confirms nothing',
    file: 'raft/ready.ts',
    find: 'if (done.term === r.term)',
    replace: 'if (done.term > 0)',
    killers: persistence('entries replaced and put back are durable only with the last of the three writes'),
  },
  {
    name: 'heartbeat-commit-beyond-match',
    breaks: '§5.3: a follower is told no commit index beyond what it is known to have',
    file: 'raft/heartbeat.ts',
    find: 'Math.min(peer.match, r.log.committed)',
    replace: 'r.log.committed',
    killers: [
      ...replication('a heartbeat tells a follower no commit index beyond what it is known to have'),
      SIMULATION,
    ],
  },
  {
    name: 'snapshot-throws-the-log-behind-it-away',
    breaks: "§7: a log that has the snapshot's last entry keeps what follows it",
    file: 'raft/snapshot.ts',
    find: 'if (r.log.matches({ index, term })) {',
    replace: 'if (index < 0) {',
    killers: snapshot('one whose last entry the log has only moves the commit index'),
  },
  {
    name: 'older-snapshot-replaces-committed-log',
    breaks: '§7: a snapshot older than the commit index is ignored',
    file: 'raft/snapshot.ts',
    find: 'if (snapshot.index <= r.log.committed && !replaces) return false',
    replace: '',
    killers: snapshot('one that ends before what was compacted here is ignored too'),
  },
  {
    name: 'equal-values-are-sorted-further',
    breaks: 'nothing: among equal match indexes the order is of no consequence',
    file: 'raft/quorum.ts',
    find: 'if (before <= value) break',
    replace: 'if (before < value) break',
    killers: testsOf('raft/quorum.test.ts')('the committed index of one or two majorities is what the definition says'),
    harmless: true,
  },
]
