/**
 * The Raft core's door: one group, one replica. The host calls in with messages, ticks and requests, takes `ready()`,
 * persists, sends and applies, and confirms with `persisted` and `applied`. Everything here is synchronous.
 */
import { assert } from '../base/assert.ts'
import type { ConfState } from '../base/log-entry.ts'
import type { ConfChange } from './conf-change.ts'
import { encodeConfChange } from './conf-change.ts'
import { changeConfiguration, checkConfiguration, voterIds } from './configuration.ts'
import type { RaftEvent } from './events.ts'
import { loseState } from './lost-state.ts'
import { appliedTo, applyConfChange, restoreConfiguration } from './membership.ts'
import type { PeerProgress } from './progress.ts'
import { viewProgress } from './progress-view.ts'
import type { Proposed } from './propose.ts'
import { mayChange, propose } from './propose.ts'
import { doubt, rouse, wake } from './quiesce.ts'
import { requestRead } from './read-index.ts'
import { ReadyQueue } from './ready.ts'
import { handleSnapshotStatus, handleUnreachable } from './replication.ts'
import { missTicks } from './stall.ts'
import { RaftState } from './state.ts'
import { stepMessage } from './step.ts'
import { becomeFollower } from './term.ts'
import { campaign, tick } from './tick.ts'
import { transferLeadership } from './transfer.ts'
import type { Message, Progress, RaftConfig, RaftStatus, Ready, Role, StepRefusal } from './types.ts'

export type { Proposed } from './propose.ts'

export class RaftGroup {
  readonly #raft: RaftState
  readonly #readies: ReadyQueue

  /**
   * Starts as a follower from what is durable: `hard` and the log in `storage`, of which the state machine has everything
   * up to `applied`, whose configuration is `confState`; with `needsSnapshot` the log alone. `observe` is told of what
   * happens inside, for tracing.
   */
  constructor(config: RaftConfig, observe?: (event: RaftEvent) => void) {
    // A leader that goes on without a quorum would answer reads long after another was elected.
    assert(config.leaseReads !== true || config.checkQuorum, 'lease reads need checkQuorum')
    const r = new RaftState(config, observe)
    this.#raft = r
    assert(config.quiescence === undefined || config.leaseReads !== true, 'who sleeps has no lease to serve reads by')
    checkConfiguration(config.confState)
    restoreConfiguration(r, config.confState)
    r.appliedConf = config.confState
    if (config.hard !== undefined) {
      r.term = config.hard.term
      r.vote = config.hard.vote
    }
    // Only committed entries were applied, whatever commit index was last written down.
    r.log.commitTo(Math.max(config.hard?.commit ?? 0, config.applied))
    r.log.window.appliedTo(config.applied)
    becomeFollower(r, r.term, 0)
    this.#readies = new ReadyQueue(r)
    const peers = voterIds(r.conf)
    const { committed, applied, last } = r.log
    r.observe?.({ type: 'started', peers, term: r.term, commit: committed, applied, last })
  }

  /** Whether {@link ready} has anything to say. Cheap. */
  hasReady(): boolean {
    return this.#readies.has()
  }

  /** Takes what is new. Several may be in flight; their tokens are confirmed in order. */
  ready(): Ready {
    return this.#readies.take()
  }

  /** Everything of the Ready with `token`, and of those before it, is durable and readable through LogStorage. */
  persisted(token: number): void {
    this.#readies.persisted(token)
  }

  /** The state machine has applied everything up to `index`. */
  applied(index: number): void {
    assert(!this.#raft.log.stateLost, 'nothing is applied to a state that is lost')
    appliedTo(this.#raft, index)
  }

  /**
   * The state machine turned out damaged while the log is whole: nothing more is handed out, and nothing may be confirmed
   * with {@link applied}, before a leader's snapshot has replaced it. False: it was lost before, or is being replaced.
   */
  loseState(): boolean {
    return loseState(this.#raft)
  }

  /** A message from a peer. Stale ones are dropped; the answer says why one was not acted upon at all. */
  step(message: Message): StepRefusal | undefined {
    if (message.to !== this.#raft.id) return 'misrouted'
    if (isResponse(message) && !this.#raft.progress.has(message.from)) return 'unknownPeer'
    return stepMessage(this.#raft, message)
  }

  /** Of the entry at `index`; undefined beyond the log, and behind its beginning. */
  termAt(index: number): number | undefined {
    return this.#raft.log.term(index)
  }

  /** The highest context that a heartbeat of this leadership may have carried. */
  get lastRead(): number {
    return this.#raft.reads.last
  }

  /** Steps into a later term, as a follower who has voted for nobody: safe at any time (§5.1). */
  enterTerm(term: number): void {
    assert(term > this.#raft.term, 'terms only grow')
    wake(this.#raft)
    becomeFollower(this.#raft, term, 0)
  }

  /** Whether a change of the configuration that is applied next can be; otherwise {@link applyConfChange} asserts. */
  canApply(change: ConfChange): boolean {
    return !('refused' in changeConfiguration(this.#raft.appliedConf, change))
  }

  /** Asleep: nothing is lost if it is not ticked. Only a message, a request or {@link wake} ends that. */
  get quiesced(): boolean {
    return this.#raft.quiesced
  }

  /** Ends the sleep: the host has reason to doubt that the others are there, or that they sleep as well. */
  wake(): void {
    doubt(this.#raft)
  }

  /** Asks all members to wake: to be called once after a start, as this replica may have missed what they know. */
  rouse(): void {
    rouse(this.#raft)
  }

  /** So many passed in which the host did not run: to be called before what came meanwhile is stepped, `tick` behind that. */
  missTicks(ticks: number): void {
    missTicks(this.#raft, ticks)
  }

  /** One tick of the host's monotonic clock. */
  tick(): void {
    tick(this.#raft)
  }

  /** Appends one entry per element, all or none. The arrays are kept, not copied. */
  propose(data: readonly Uint8Array[]): Proposed {
    assert(data.length > 0, 'a proposal has at least one entry')
    wake(this.#raft)
    return propose(
      this.#raft,
      data.map((bytes) => ({ type: 'normal', data: bytes })),
    )
  }

  /**
   * Proposes a change of membership (§6). At most one may be unapplied: a second one is refused, as is one that does not
   * fit the configuration. In the place of a change refused for these reasons an empty entry is appended.
   * Do not remove or demote the leader itself: transfer leadership first, or the voters that stay may lack its last entries
   * and never elect one of themselves.
   */
  proposeConfChange(change: ConfChange): Proposed {
    wake(this.#raft)
    return propose(this.#raft, [{ type: 'confChange', data: encodeConfChange(change) }])
  }

  /** Whether {@link proposeConfChange} would take it now. */
  mayChange(change: ConfChange): boolean {
    return mayChange(this.#raft, change)
  }

  /** To be called when a `confChange` entry is applied, before `applied(index)`. Answers the configuration from then on. */
  applyConfChange(change: ConfChange): ConfState {
    return applyConfChange(this.#raft, change)
  }

  /**
   * Asks for a linearizable read point (§6.4 of the dissertation); `context` > 0 comes back in `readStates`. False: no leader is known
   * or too many wait. A request is lost with its leader: ask again after an election timeout or a change of leader.
   */
  readIndex(context: number): boolean {
    wake(this.#raft)
    return requestRead(this.#raft, this.#raft.id, context)
  }

  /** Hands leadership to the voter `to`; gives up after an election timeout. Proposals are refused meanwhile. */
  transferLeadership(to: number): void {
    wake(this.#raft)
    transferLeadership(this.#raft, to)
  }

  /** Messages to `id` were lost: replicates to it carefully until it answers. */
  reportUnreachable(id: number): void {
    const peer = this.#peerOfLeader(id)
    if (peer === undefined) return
    // It may have missed that the group sleeps.
    wake(this.#raft)
    handleUnreachable(this.#raft, peer)
  }

  /** How sending a snapshot to `id` ended. Must be called for every `installSnapshot` message. */
  reportSnapshot(id: number, ok: boolean): void {
    const peer = this.#peerOfLeader(id)
    if (peer !== undefined) handleSnapshotStatus(this.#raft, peer, ok)
  }

  /** The host knows that `id` is gone: if it was the leader there is none from now on, and votes are judged without its lease. */
  leaderUnreachable(id: number): void {
    if (this.#raft.leader === id) this.forgetLeader()
  }

  /** Starts an election now, with a pre-vote if so configured. */
  campaign(): void {
    wake(this.#raft)
    campaign(this.#raft)
  }

  /** A follower forgets who leads and so may vote for another before the election timeout. */
  forgetLeader(): void {
    const r = this.#raft
    if (r.role !== 'follower') return
    if (r.config.leaseReads === true) {
      // The lease that serves reads rests on followers that do not vote while they know a leader.
      r.observe?.({ type: 'forgetLeaderIgnored' })
      return
    }
    if (r.leader === 0) return
    wake(r)
    r.observe?.({ type: 'leaderForgotten' })
    r.leader = 0
  }

  /** Overrides the randomized election timeout until the next term or role, to stagger elections of many groups. */
  setElectionTimeout(ticks: number): void {
    assert(ticks > 0, 'an election timeout is at least one tick')
    this.#raft.randomizedElectionTicks = ticks
  }

  /** As in {@link status}, for who asks often. */
  get role(): Role {
    return this.#raft.role
  }

  get term(): number {
    return this.#raft.term
  }

  get leader(): number {
    return this.#raft.leader
  }

  get commit(): number {
    return this.#raft.log.committed
  }

  get lastIndex(): number {
    return this.#raft.log.lastIndex
  }

  get needsSnapshot(): boolean {
    return this.#raft.log.stateLost
  }

  status(): RaftStatus {
    const r = this.#raft
    return {
      id: r.id,
      term: r.term,
      vote: r.vote,
      commit: r.log.committed,
      applied: r.log.applied,
      lastIndex: r.log.lastIndex,
      leader: r.leader,
      role: r.role,
      transferee: r.transferee,
      needsSnapshot: r.log.stateLost,
      confState: r.conf,
      timeoutTicks: r.randomizedElectionTicks,
    }
  }

  /** Per replica, ascending; empty unless this one leads. */
  progress(): readonly Progress[] {
    if (this.#raft.role !== 'leader') return []
    return [...this.#raft.progress.values()].map(viewProgress)
  }

  #peerOfLeader(id: number): PeerProgress | undefined {
    return this.#raft.role === 'leader' ? this.#raft.progress.get(id) : undefined
  }
}

function isResponse(m: Message): boolean {
  return m.type.endsWith('Response')
}
