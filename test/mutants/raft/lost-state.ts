/** Faults in healing a replica whose state is lost (docs/decisions/008), and in what a leader tells and hints. */
import { type Mutant, testsOf } from '../mutant.ts'

const lostState = testsOf('raft/lost-state.test.ts')
const damage = testsOf('replication/damage.test.ts')
const rejections = testsOf('raft/rejections.test.ts')
const contested = testsOf('raft/contested-elections.test.ts')
const transfer = testsOf('raft/transfer.test.ts')

export const LOST_STATE_MUTANTS: readonly Mutant[] = [
  {
    name: 'lost-state-applies',
    breaks: 'decision 008: without a state nothing is applied',
    file: 'raft/log.ts',
    find: '!this.window.paused && !this.stateLost && ',
    replace: '!this.window.paused && ',
    killers: lostState('applies nothing and does not run, but votes by its log'),
  },
  {
    name: 'lost-state-runs',
    breaks: 'decision 008: without a state nobody runs',
    file: 'raft/election.ts',
    find: '!own.learner && !r.log.stateLost && ',
    replace: '!own.learner && ',
    killers: lostState('may run once it has a state again, and not while it is being installed'),
  },
  {
    name: 'lost-state-throws-log-away',
    breaks: 'decision 008: entries that were acknowledged stay, whatever snapshot replaces the state',
    file: 'raft/snapshot.ts',
    find: 'if (replaces) {',
    replace: 'if (replaces && r.term === 0) {',
    killers: lostState('keeps its log behind a snapshot at %i, and applies what follows it'),
  },
  {
    name: 'lost-state-two-snapshots',
    breaks: 'decision 008: one snapshot at a time',
    file: 'raft/lost-state.ts',
    find: 'return r.replacement !== undefined || r.log.unstable.snapshot !== undefined',
    replace: 'return r.replacement !== undefined',
    killers: lostState('takes one snapshot at a time, whichever kind is under way'),
  },
  {
    name: 'lost-state-asks-for-any-snapshot',
    breaks: 'decision 008: the snapshot must reach the beginning of the log',
    file: 'raft/lost-state.ts',
    find: 'const snapshot = r.log.snapshot(atLeast)',
    replace: 'const snapshot = r.log.snapshot()',
    killers: lostState('waits until it has a snapshot that reaches the log'),
  },
  {
    name: 'lost-state-floods',
    breaks: 'decision 008: the leader sends one at a time',
    file: 'raft/lost-state.ts',
    find: "if (peer.replacing || peer.state === 'snapshot') return",
    replace: "if (peer.state === 'snapshot') return",
    killers: lostState('sends one snapshot and goes on replicating beside it'),
  },
  {
    name: 'lost-state-mute',
    breaks: '§5.1: who holds a higher term and cannot run says so',
    file: 'raft/step.ts',
    find: 'r.config.preVote || r.log.stateLost',
    replace: 'r.config.preVote',
    killers: lostState('tells a leader of an older term of its own, since it cannot run to spread it'),
  },
  {
    name: 'lost-state-heir',
    breaks: 'decision 008: leadership is not handed to one without a state',
    file: 'raft/transfer.ts',
    find: 'if (heir.stateLost) {',
    replace: 'if (heir.learner) {',
    killers: lostState('does not hand leadership to it'),
  },
  {
    name: 'lost-state-marks-log',
    breaks: 'decision 008: the log goes on as it was',
    file: 'replication/persister.ts',
    find: 'const snapshot = keepsLog ? undefined : pending.ready.snapshot',
    replace: 'const snapshot = pending.ready.snapshot',
    killers: damage('is healed in place by a snapshot when it was the %s'),
  },
  {
    name: 'lost-state-not-started',
    breaks: 'docs/architecture.md: damage of the state with an intact log is healed in place',
    file: 'replication/recovery.ts',
    find: 'log === undefined || log.base.index === 0 || spec.members.length < 2',
    replace: 'log === undefined || log.base.index === 0 || spec.members.length < 9',
    killers: damage('is healed in place by a snapshot when it was the %s'),
  },
  {
    name: 'heartbeat-commit-unbounded',
    breaks: '§5.3: a heartbeat tells no commit index beyond what the follower is known to have',
    file: 'raft/heartbeat.ts',
    find: 'Math.min(peer.match, r.log.committed)',
    replace: 'r.log.committed',
    killers: rejections('a heartbeat carries no more of it than the follower is known to have'),
  },
  {
    name: 'hint-without-term',
    breaks: 'end of §5.3: one refusal finds where two logs part, term by term',
    file: 'raft/append-entries.ts',
    find: '{ index: Math.min(m.index, r.log.lastIndex), term: m.logTerm }',
    replace: '{ index: Math.min(m.index, r.log.lastIndex), term: Number.MAX_SAFE_INTEGER }',
    killers: rejections('$why: of $own against $theirs'),
  },
  {
    name: 'forgetting-restarts-the-timeout',
    breaks: 'docs/raft.md: forgetting a leader puts no election off',
    file: 'raft/raft.ts',
    find: "    r.observe?.({ type: 'leaderForgotten' })\n    r.leader = 0",
    replace: '    r.leader = 0\n    r.electionElapsed = 0',
    killers: contested('does not put off the election that was due'),
  },
  {
    name: 'transfer-extended',
    breaks: '§3.10 of the dissertation: a transfer gives up after one election timeout',
    file: 'raft/transfer.ts',
    find: "    r.observe?.({ type: 'transferIgnored', to, reason: 'inProgress' })\n    return",
    replace: '    r.electionElapsed = 0\n    return',
    killers: transfer('asking again for the same heir buys no more time'),
  },
]
