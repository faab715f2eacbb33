/** Faults in terms and elections (§5.1, §5.2, §5.4.1), pre-votes and leadership transfer (§9.6, §3.10 of the dissertation). */
import { type Mutant, testsOf } from '../mutant.ts'
import { SIMULATION } from './simulation.ts'

const election = testsOf('raft/election.test.ts')
const preVote = testsOf('raft/pre-vote.test.ts')
const terms = testsOf('raft/terms.test.ts')
const transfer = testsOf('raft/transfer.test.ts')

export const ELECTION_MUTANTS: readonly Mutant[] = [
  {
    name: 'double-vote',
    breaks: '§5.2: a server votes for at most one candidate in a term',
    file: 'raft/election.ts',
    find: 'r.vote === 0 && r.leader === 0',
    replace: 'r.leader === 0',
    killers: [...election('one that voted for $vote answers candidate $candidate with reject=$reject'), SIMULATION],
  },
  {
    name: 'vote-lost-over-restart',
    breaks: 'figure 2: votedFor is persistent state',
    file: 'raft/raft.ts',
    find: 'r.vote = config.hard.vote',
    replace: 'r.vote = 0',
    killers: [
      ...terms('term and vote survive a restart, and the second candidate of the term gets nothing'),
      SIMULATION,
    ],
  },
  {
    name: 'vote-lost-by-stepping-down',
    breaks: '§5.1: only a new term forgets the vote',
    file: 'raft/term.ts',
    find: 'if (r.term !== term) {',
    replace: "if (r.term !== term || r.role === 'candidate') {",
    killers: terms('stepping down within a term keeps the vote'),
  },
  {
    name: 'vote-for-shorter-log',
    breaks: "§5.4.1: a voter denies its vote if its own log is more up-to-date than the candidate's",
    file: 'raft/log.ts',
    find: 'candidate.term === own.term && candidate.index >= own.index',
    replace: 'candidate.term === own.term',
    killers: election('log $own answers a candidate ending at term $term index $index with reject=$reject'),
  },
  {
    name: 'vote-for-longer-log-of-older-term',
    breaks: '§5.4.1: the log with the later term at its end is more up-to-date, however long the other is',
    file: 'raft/log.ts',
    find: 'candidate.term === own.term && candidate.index >= own.index',
    replace: 'candidate.index >= own.index',
    killers: election('log $own answers a candidate ending at term $term index $index with reject=$reject'),
  },
  {
    name: 'vote-response-overwrites-the-first',
    breaks: '§5.2: the first answer of a voter is its answer in this election',
    file: 'raft/election.ts',
    find: 'if (!r.votes.has(m.from)) r.votes.set(',
    replace: 'r.votes.set(',
    killers: election('a vote that was refused is not granted by a second answer'),
  },
  {
    name: 'vote-response-counted-twice',
    breaks: '§5.2: a majority is of servers, not of messages',
    file: 'raft/election.ts',
    find: 'if (!r.votes.has(m.from)) r.votes.set(m.from, !m.reject)',
    replace: 'r.votes.set(voterIds(r.conf).find((id) => id >= m.from && !r.votes.has(id)) ?? m.from, !m.reject)',
    killers: election('a removed or unknown replica cannot vote, and a second answer of the same one does not count'),
  },
  {
    name: 'election-timeouts-not-random',
    breaks: '§5.2: randomized election timeouts, so that split votes are rare',
    file: 'raft/term.ts',
    find: '+ r.config.random(r.config.electionTicks)',
    replace: '',
    killers: election('the timeouts of a %s spread over [T, 2T)', 'of five %ss usually one alone times out first'),
  },
  {
    name: 'pre-vote-raises-own-term',
    breaks: '§9.6 of the dissertation: a pre-vote enters no term',
    file: 'raft/election.ts',
    find: "r.role = 'preCandidate'",
    replace: "r.role = 'preCandidate'\n  r.term += 1",
    killers: preVote('a replica that was cut off comes back without deposing the leader'),
  },
  {
    name: 'pre-vote-raises-term-of-voter',
    breaks: '§9.6 of the dissertation: who is asked for a pre-vote enters no term either',
    file: 'raft/step.ts',
    find: "if (m.type === 'requestPreVote') return true",
    replace: '',
    killers: preVote('a granted pre-vote leaves term and vote as they are and answers in the term asked about'),
  },
  {
    name: 'vote-in-spite-of-a-live-leader',
    breaks: '§6: a server that hears of a leader within the minimum election timeout grants no vote',
    file: 'raft/election.ts',
    find: 'const holds = r.config.checkQuorum &&',
    replace: 'const holds = r.term < 0 &&',
    killers: preVote('a voter that heard of its leader within the timeout ignores other candidates'),
  },
  {
    name: 'leader-without-quorum-stays',
    breaks: '§6.2 of the dissertation: a leader that no quorum answers steps down',
    file: 'raft/election.ts',
    find: "if (active !== 'won') {",
    replace: "if (active === 'pending') {",
    killers: preVote('a leader that no quorum answers for an election timeout steps down'),
  },
  {
    name: 'transfer-through-pre-vote',
    breaks: "§3.10 of the dissertation: the heir runs at once, in spite of the old leader's lease",
    file: 'raft/step.ts',
    find: "startElection(r, 'transfer')",
    replace: "startElection(r, r.config.preVote ? 'preElection' : 'transfer')",
    killers: transfer('goes to an up-to-date follower within one round, pre-vote and leases or not: %s'),
  },
  {
    name: 'transfer-to-an-heir-that-is-behind',
    breaks: '§3.10 of the dissertation: the heir runs when it has the whole log',
    file: 'raft/transfer.ts',
    find: 'if (heir.match === r.log.lastIndex) {',
    replace: 'if (heir.match > 0) {',
    killers: transfer('waits until a follower that is behind has caught up'),
  },
]
