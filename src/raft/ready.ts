/**
 * What the host has to do next, and its confirmations (§5.1; §10.2 of the dissertation: the disk works beside the network).
 * A Ready hands everything new out once; what depends on it being durable waits under its token. Tokens are confirmed in
 * order, because the log is written in order.
 */
import { assert } from '../base/assert.ts'
import type { HardState, SnapshotMeta } from '../base/log-entry.ts'
import { broadcastHeartbeat } from './heartbeat.ts'
import { appliedTo } from './membership.ts'
import type { RaftState } from './state.ts'
import { stepMessage } from './step.ts'
import type { Message, Ready, SoftState } from './types.ts'
import type { LogPosition } from './unstable.ts'

interface InFlight {
  readonly token: number
  readonly term: number
  /** End of the log that is durable with this Ready; undefined if all of it was before. */
  readonly mark: LogPosition | undefined
  readonly snapshot: SnapshotMeta | undefined
  readonly toSelf: readonly Message[]
}

interface Changes {
  soft?: SoftState
  hard?: HardState
  snapshot?: SnapshotMeta
  keepsLog: boolean
}

export class ReadyQueue {
  readonly #raft: RaftState
  #soft: SoftState
  #hard: HardState
  #lastToken = 0
  #inFlight: InFlight[] = []
  /** Of a lost state, the last one handed out. */
  #replacement: SnapshotMeta | undefined

  constructor(raft: RaftState) {
    this.#raft = raft
    this.#soft = softState(raft)
    this.#hard = raft.hard
  }

  has(): boolean {
    const r = this.#raft
    return (
      r.messages.length > 0 ||
      r.afterPersist.length > 0 ||
      r.readStates.length > 0 ||
      r.reads.heartbeatDue ||
      r.log.unstable.hasNewEntries ||
      r.log.unstable.hasNewSnapshot ||
      r.replacement !== this.#replacement ||
      r.log.hasCommittedToApply() ||
      this.#hardChanged() ||
      this.#softChanged()
    )
  }

  take(): Ready {
    const r = this.#raft
    // All reads asked for since the last Ready share one round of heartbeats.
    if (r.reads.heartbeatDue) broadcastHeartbeat(r)
    const { unstable } = r.log
    const entries = unstable.newEntries()
    const committed = r.log.committedToApply()
    const token = ++this.#lastToken
    const changes = this.#changes()
    const waiting = r.afterPersist
    const toSelf = waiting.filter((m) => m.to === r.id)
    const ready = {
      entries,
      committed,
      messages: r.messages,
      afterPersist: toSelf.length === 0 ? waiting : waiting.filter((m) => m.to !== r.id),
      readStates: r.readStates,
      token,
      ...changes,
    }
    this.#awaitPersist(ready, waiting, toSelf)
    r.messages = []
    r.afterPersist = []
    r.readStates = []
    unstable.acceptInProgress()
    r.log.acceptApplying(committed)
    return ready
  }

  /** Everything up to and with the Ready of `token` is durable. */
  persisted(token: number): void {
    assert(token <= this.#lastToken, 'only a Ready that was handed out is confirmed')
    for (let first = this.#inFlight[0]; first !== undefined && first.token <= token; first = this.#inFlight[0]) {
      this.#inFlight.shift()
      this.#confirm(first)
    }
  }

  /** Notes what the confirmation of `ready` will mean; `waiting` is all that waits for it, `toSelf` the replica's own. */
  #awaitPersist(
    { token, entries, snapshot, hard }: Ready,
    waiting: readonly Message[],
    toSelf: readonly Message[],
  ): void {
    const r = this.#raft
    const writes = entries.length > 0 || snapshot !== undefined || hard !== undefined || waiting.length > 0
    // What lies before a write is durable with it, also what an earlier Ready of another term handed out.
    const mark = writes && r.log.unstable.count > 0 ? r.log.last : undefined
    if (mark !== undefined || snapshot !== undefined || toSelf.length > 0) {
      this.#inFlight.push({ token, term: r.term, mark, snapshot, toSelf })
    }
    r.observe?.({ type: 'awaitsPersist', token, term: r.term, messages: waiting, mark })
  }

  #confirm(done: InFlight): void {
    const r = this.#raft
    // The term check on these drops acknowledgements of a leadership, and votes of an election, that are over.
    for (const message of done.toSelf) stepMessage(r, message)
    if (done.mark !== undefined) {
      // In a later term the entries may have been replaced and put back while this write was under way. The Ready that
      // carried the new term confirms them.
      if (done.term === r.term) this.#stableTo(done.mark)
      else r.observe?.({ type: 'lowerTermWriteIgnored', writeTerm: done.term })
    }
    if (done.snapshot !== undefined) {
      r.log.unstable.stableSnapshotTo(done.snapshot.index)
      r.log.stateLost = false
      r.replacement = this.#replacement = undefined
      r.appliedConf = done.snapshot.confState
      appliedTo(r, done.snapshot.index)
    }
  }

  #stableTo(mark: LogPosition): void {
    const { unstable } = this.#raft.log
    if (unstable.stableTo(mark)) return
    this.#raft.observe?.({ type: 'supersededWriteIgnored', mark, term: unstable.term(mark.index) })
  }

  #changes(): Changes {
    const changes: Changes = { keepsLog: false }
    if (this.#softChanged()) changes.soft = this.#soft = softState(this.#raft)
    if (this.#hardChanged()) changes.hard = this.#hard = this.#raft.hard
    const { replacement, log } = this.#raft
    if (log.unstable.hasNewSnapshot && log.unstable.snapshot !== undefined) {
      changes.snapshot = log.unstable.snapshot
    } else if (replacement !== undefined && replacement !== this.#replacement) {
      changes.snapshot = this.#replacement = replacement
      changes.keepsLog = true
    }
    return changes
  }

  #softChanged(): boolean {
    return this.#soft.leader !== this.#raft.leader || this.#soft.role !== this.#raft.role
  }

  #hardChanged(): boolean {
    const { term, vote, log } = this.#raft
    return this.#hard.term !== term || this.#hard.vote !== vote || this.#hard.commit !== log.committed
  }
}

function softState(r: RaftState): SoftState {
  return { leader: r.leader, role: r.role }
}
