/** Faults where decisions become I/O (architecture §3 and §5). */
import { type Mutant, testsOf } from './mutant.ts'

const checkpoint = testsOf('replication/checkpoint.test.ts')
const clocks = testsOf('replication/clocks/clocks.test.ts')
const peerClocks = testsOf('replication/clocks/peer-clocks.test.ts')
const healed = testsOf('replication/checkpoints/healed-state.test.ts')
const needs = testsOf('replication/checkpoints/follower-needs.test.ts')
const inbox = testsOf('replication/inbox.test.ts')
const proposals = testsOf('replication/proposals.test.ts')
const relief = testsOf('replication/checkpoints/log-relief.test.ts')
const reads = testsOf('replication/reads.test.ts')
const snapshot = testsOf('replication/snapshot.test.ts')
const table = testsOf('replication/proposal-table.test.ts')
const turn = testsOf('replication/turn-loop.test.ts')

export const REPLICATION_MUTANTS: readonly Mutant[] = [
  {
    name: 'turn-does-all-that-comes',
    breaks: 'a turn does so much work of a kind, and the rest waits for the next ones',
    file: 'base/in-turns.ts',
    find: 'if (this.#waiting.length > 0 || this.#done >= this.#least)',
    replace: 'if (this.#waiting.length > 0)',
    killers: [
      ...testsOf('base/in-turns.test.ts')(
        'so many are done at once, as many in each turn after it, each once and in their order',
      ),
      ...testsOf('rpc/outflow.test.ts')(
        'of frames to many streams so many are written in a turn; each stream has its own in order, and its end behind them',
      ),
    ],
  },
  {
    name: 'turn-visits-all',
    breaks: 'a turn visits so many replicas',
    file: 'replication/turn-loop.ts',
    find: 'take(this.#dirty, lot(this.#dirty.size, VISITS_PER_TURN))',
    replace: 'take(this.#dirty, this.#dirty.size)',
    killers: turn('visits so many replicas, and the others in the next ones: each once before any is visited again'),
  },
  {
    name: 'turn-takes-all-messages',
    breaks: 'a turn takes so many messages of peers',
    file: 'replication/inbox.ts',
    find: 'this.#waiting.length === 0 && this.#work < this.#room',
    replace: 'true',
    killers: inbox('takes so many messages in a turn; what is more waits for the next ones, in its order'),
  },
  {
    name: 'turn-overtakes-what-waits',
    breaks: 'what peers send is taken in its order',
    file: 'replication/inbox.ts',
    find: 'this.#waiting.length === 0 && this.#work < this.#room',
    replace: 'this.#work < this.#room',
    killers: inbox('takes so many messages in a turn; what is more waits for the next ones, in its order'),
  },
  {
    name: 'delay-taken-for-a-clock',
    breaks: 'a reading of a clock is as old as its frame and the stamp that it answers were on the way, at most',
    file: 'replication/clocks/peer-clocks.ts',
    find: 'const highMs = lowMs + ROUNDED_MS + this.#travelMs(echo, now)',
    replace: 'const highMs = lowMs + ROUNDED_MS + this.#travelMs(echo, now) * 0',
    killers: [
      ...clocks('frames that take ten seconds, for a minute, are no verdict about any clock'),
      ...peerClocks('the truth is within the interval, whatever frames were on the way for how long'),
    ],
  },
  {
    name: 'verdict-forgotten',
    breaks: 'what was proven of a clock stands while nothing is',
    file: 'replication/clocks/clock-judge.ts',
    find: "if (verdict.verdict !== 'unknown') this.#standing = verdict",
    replace: 'this.#standing = verdict',
    killers: clocks('what was proven stands while nothing is'),
  },
  {
    name: 'echo-held-for-nothing',
    breaks: 'how long a stamp lay at the peer is not time on the way',
    file: 'replication/clocks/peer-clocks.ts',
    find: '- echo.stamp - echo.heldMs',
    replace: '- echo.stamp',
    killers: peerClocks('one that answers says within what both were on the way, however long the answer was held'),
  },
  {
    name: 'appends-without-bound',
    breaks: 'what a follower has taken and its log has not written is bounded, over all groups of a node',
    file: 'replication/inbox.ts',
    find: 'message.entries.length > 0 && !housekeeping.takesAppends',
    replace: 'false',
    killers: proposals(
      'that reach a follower whose disk is stuck are kept up to a bound, and come once more when it is not',
    ),
  },
  {
    name: 'answered-before-commit',
    breaks: 'P1: a proposal is answered as applied when a majority has it durably',
    file: 'replication/handle.ts',
    find: 'proposals.add(proposed.term, proposed.index, { done })\n    mark()',
    replace: "done({ type: 'applied', index: proposed.index, at, replies: [] })\n    mark()",
    killers: proposals('left without quorum is unknown once the leader steps down, and is not answered again'),
  },
  {
    name: 'proposal-answered-twice',
    breaks: 'every proposal is answered exactly once',
    file: 'replication/proposals.ts',
    find: 'this.#waiting.delete(index)\n    if (waiting.term',
    replace: 'if (waiting.term',
    killers: table('another entry applied where a proposal lay means that it was replaced'),
  },
  {
    name: 'replaced-proposal-called-applied',
    breaks: 'another entry applied at the index of a proposal means that it was replaced',
    file: 'replication/proposals.ts',
    find: 'if (waiting.term !== term) {',
    replace: 'if (waiting.term < 0) {',
    killers: table('another entry applied where a proposal lay means that it was replaced'),
  },
  {
    name: 'refused-where-unknown-is-true',
    breaks:
      'a proposal that was appended is unknown when its leader steps down: NOT_LEADER would promise that it is not stored',
    file: 'replication/proposals.ts',
    find: "proposal.done({ type: 'unknown' })",
    replace: "proposal.done({ type: 'refused', reason: 'NOT_LEADER' })",
    killers: proposals(
      'left without quorum is unknown once the leader steps down, and is not answered again',
      'left when its node closes without quorum is unknown',
    ),
  },
  {
    name: 'certain-proposal-called-unknown',
    breaks: 'what is committed and about to be applied here is answered as applied',
    file: 'replication/proposals.ts',
    find: 'waiting.term <= term && at > certain',
    replace: 'waiting.term <= term',
    killers: table('stepping down leaves what is certain to be applied and what a later term proposed'),
  },
  {
    name: 'proposal-before-own-first-entry',
    breaks: "a new leader takes no proposal before its own term's first entry is applied",
    file: 'replication/handle.ts',
    find: 'if (stopped() || !watch.seen.ready) return',
    replace: 'if (stopped()) return',
    killers: proposals('to a leader whose first entry is not applied yet is refused'),
  },
  {
    name: 'time-of-the-view-goes-back',
    breaks: "at' = max(at, last at'), the same on every replica",
    file: 'replication/applier.ts',
    find: 'Math.max(at, lastAt)',
    replace: 'at',
    killers: proposals('is stamped with a time that never goes back, the same on every replica'),
  },
  {
    name: 'ready-confirmed-before-its-write',
    breaks: 'what depends on the disk leaves after the disk',
    file: 'replication/persister.ts',
    find: 'first === undefined || !first.durable || !first.loaded',
    replace: 'first === undefined || !first.loaded',
    killers: turn('acknowledges nothing before it is durable'),
  },
  {
    name: 'log-released-before-its-checkpoint-is-durable',
    breaks: 'architecture §4: a segment goes when its entries are at or below a checkpoint completed with sync',
    file: 'replication/checkpoints/checkpointer.ts',
    find: 'await written',
    replace: 'this.#last = now\n    this.release()\n    await written',
    killers: checkpoint('releases the log only when the checkpoint that covers it is durable'),
  },
  {
    name: 'log-released-under-a-follower',
    breaks: 'the log that a follower still needs is kept, up to wal_retain_bytes',
    file: 'replication/checkpoints/follower-needs.ts',
    find: 'if (needs < keep && log.bytesFrom(needs) <= limits.walRetainBytes) keep = needs',
    replace: '',
    killers: checkpoint('keeps the log that a follower still needs, up to its bound'),
  },
  {
    name: 'held-for-a-receiver-that-is-gone',
    breaks: 'formats, "Size of the log": nothing is kept for the receiver of a snapshot of which nothing is heard',
    file: 'replication/checkpoints/follower-needs.ts',
    find: ' || silentMs(node) >= GONE_MS',
    replace: '',
    killers: needs('of which nothing is heard, though the connection stands'),
  },
  {
    name: 'held-after-a-snapshot-that-failed',
    breaks: 'formats, "Size of the log": what is kept for the receiver of a snapshot goes when it could not be sent',
    file: 'replication/checkpoints/checkpointer.ts',
    find: 'this.#parts.needs.failed(to)',
    replace: '',
    killers: needs('whose process is gone'),
  },
  {
    name: 'quiet-groups-checkpointed-all-at-once',
    breaks: 'formats, "Size of the log": for the sake of the log eight groups are checkpointed at a time',
    file: 'replication/checkpoints/log-relief.ts',
    find: 'const UNDER_WAY_MAX = 8',
    replace: 'const UNDER_WAY_MAX = 100_000',
    killers: relief(
      'a thousand groups that are due at once are checkpointed eight at a time, each once, without another look',
    ),
  },
  {
    name: 'start-with-a-gap-behind-the-checkpoint',
    breaks: 'architecture §5: a gap above the applied index is corruption',
    file: 'replication/recovery.ts',
    find: 'if (log !== undefined && log.base.index > meta.applied) {',
    replace: 'if (log.base.index < 0) {',
    killers: checkpoint('refuses a log that begins behind the checkpoint'),
  },
  {
    name: 'start-without-committed-entries',
    breaks: 'a log that ends before what was committed is not started from',
    file: 'replication/recovery.ts',
    find: 'if (hard.commit > lastIndex) throw',
    replace: 'if (hard.commit < 0) throw',
    killers: checkpoint('refuses a log that ends before what was committed'),
  },
  {
    name: 'log-kept-that-contradicts-the-checkpoint',
    breaks: 'architecture §5: a log without (applied, term) of the checkpoint starts empty at that point',
    file: 'replication/recovery.ts',
    find: 'if (log?.term(meta.applied) !== meta.term) {',
    replace: 'if (meta.term < 0) {',
    killers: checkpoint('restarts the log at the checkpoint when the mark of an installed snapshot was lost'),
  },
  {
    name: 'covered-only-grows',
    breaks: 'a state healed by an older snapshot needs more of its log than before',
    file: 'storage/wal/replica-log.ts',
    find: 'this.#covered = covered.index',
    replace: 'this.#covered = Math.max(this.#covered, covered.index)',
    killers: healed('a state healed by an older snapshot than it had itself finds the log behind it after a crash'),
  },
  {
    name: 'checkpoint-of-a-lost-state-counts',
    breaks: 'a lost state covers nothing of its log until a snapshot has replaced it',
    file: 'replication/checkpoints/checkpointer.ts',
    find: 'if (this.#lost) return',
    replace: 'if (this.#notBeforeMs < 0) return',
    killers: healed('while its state is lost a replica keeps its log as it is, whatever checkpoint was on its way'),
  },
  {
    name: 'superseded-snapshot-offered',
    breaks: 'a snapshot that another has superseded is not offered to the core',
    file: 'replication/installer.ts',
    find: 'this.#checkNewest(mark)\n    } catch (error) {\n      await sink.abort()',
    replace: '} catch (error) {\n      await sink.abort()',
    killers: snapshot(
      'one that begins in the very moment in which another is read whole takes its place, or is refused',
    ),
  },
  {
    name: 'snapshot-installed-half',
    breaks: "§7: the log's mark is written only when the state of the snapshot is in place",
    file: 'replication/installer.ts',
    find: 'await shard.slots.run(() => sink.commit(meta))',
    replace: 'await shard.slots.run(() => sink.abort())',
    killers: snapshot('gets a snapshot and then the log behind it'),
  },
  {
    name: 'proposal-passed-by-a-snapshot-never-answered',
    breaks: 'a proposal that a snapshot passes is answered as unknown',
    file: 'replication/replica-snapshots.ts',
    find: 'proposals.passed(snapshot.index)',
    replace: '',
    killers: snapshot('a proposal that is committed but not applied when a snapshot passes it is unknown'),
  },
  {
    name: 'read-before-its-point-is-applied',
    breaks: '§8: a read waits until the replica has applied up to its read index',
    file: 'replication/reads.ts',
    find: 'if (index <= applied) this.#answer',
    replace: 'if (index > 0) this.#answer',
    killers: reads('waits until the replica has applied up to its point'),
  },
]
