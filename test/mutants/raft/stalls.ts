/** Faults in what is made of a process that stood still (docs/decisions/016-stalls.md). */
import { type Mutant, testsOf } from '../mutant.ts'

const core = testsOf('raft/stall.test.ts')
const host = testsOf('replication/stall.test.ts')
const turn = testsOf('replication/turn-loop.test.ts')

export const STALL_MUTANTS: readonly Mutant[] = [
  {
    name: 'stall-grants-nothing',
    breaks: 'a follower that stood still grants its leader one heartbeat interval',
    file: 'raft/stall.ts',
    find: '  r.electionElapsed = latest\n',
    replace: '',
    killers: core('does nothing about it, and grants its leader one heartbeat interval'),
  },
  {
    name: 'stall-grants-again',
    breaks: 'it grants that once in a silence',
    file: 'raft/stall.ts',
    find: 'r.leader === 0 || r.granted || ',
    replace: 'r.leader === 0 || ',
    killers: core('grants that once in a silence: the second time its next tick is its election'),
  },
  {
    name: 'stall-counts-old-answers',
    breaks: 'what was answered before a leader’s round behind a stall says nothing of now',
    file: 'raft/tick.ts',
    find: '  beginGranted(r)\n',
    replace: '',
    killers: core('takes no answer for one to that round that came before it'),
  },
  {
    name: 'stall-is-not-seen',
    breaks: 'a leader that stood still applies and answers nothing before it is confirmed',
    file: 'replication/stall-watch.ts',
    find: 'if (passedMs >= this.#stallMs) this.#onStall()',
    replace: '',
    killers: host(
      'applies nothing as a leader of what was acknowledged before, and steps down, though it hears nothing of the other',
      'answers no read from before, though its round was answered',
    ),
  },
  {
    name: 'stall-applies-in-doubt',
    breaks: 'nothing is applied while it is not known who leads',
    file: 'replication/replica.ts',
    find: ' || this.#reads.inDoubt) return',
    replace: ') return',
    killers: host(
      'applies nothing as a leader of what was acknowledged before, and steps down, though it hears nothing of the other',
    ),
  },
  {
    name: 'late-tick-comes-first',
    breaks: 'what arrived while the process stood still is taken before the tick that is due',
    file: 'replication/turn-loop.ts',
    find: 'env.endOfTurn(() => this.#passed(ticks))',
    replace: 'this.#passed(ticks)',
    killers: turn(
      'that were missed are counted first, then what arrived meanwhile is taken, then comes the one that is due',
    ),
  },
  {
    name: 'heard-before-missed',
    breaks:
      'the silence from before a frame is not added to what is heard in it, though it comes before the late timer',
    file: 'replication/turn-loop.ts',
    find: 'this.#armed === 0 || env.monoMs() < atMs + tickMs) return',
    replace: 'this.#armed === 0 || env.monoMs() > 0) return',
    killers: host('counts as silence of its leader what came before the word that it read, not what came after'),
  },
  {
    name: 'stall-puts-off-the-end-of-reads',
    breaks: 'a read whose leader stands still again and again hears that in the end',
    file: 'replication/reads.ts',
    find: 'const startedTick = Math.min(this.#freshTick, this.#tick)',
    replace: 'const startedTick = this.#tick',
    killers: host('answers its reads in the end: that no quorum was heard of in time'),
  },
]
