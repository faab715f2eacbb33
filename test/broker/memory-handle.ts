/**
 * A group handle of one replica without Raft: entries apply to a real timer view and a map of rows, at once or when the
 * test says so, and leadership is what the test says it is.
 */
import { encodeEntryData } from '../../src/replication/entry-data.ts'
import type { GroupHandle, GroupObserver, GroupStatus, Proposal, ReadOutcome } from '../../src/replication/group.ts'
import type { TimerEffect, TimerReply } from '../../src/views/timer/commands.ts'
import { createTimerView, type TimerView } from '../../src/views/timer/timer-view.ts'
import type { Reader } from '../../src/views/view.ts'
import { MapStore } from '../views/timer/map-store.ts'

export class MemoryHandle implements GroupHandle<TimerReply, TimerEffect, TimerView> {
  readonly group = 1001
  readonly replica = 1002
  readonly members = [{ replica: 1002, node: 1 }]
  readonly view = createTimerView()
  readonly store = new MapStore()
  /** All that is read outside apply. */
  reader: Reader = this.store
  /** Proposals wait in `waiting` until `applyNext`. */
  manual = false
  readonly waiting: Proposal<TimerReply>[] = []
  /** Every proposal that came, applied or not. */
  readonly proposed: Proposal<TimerReply>[] = []
  /** Commands that apply refused as computed from an older state. */
  stale = 0
  /** The next proposals are refused so. */
  refuse: 'OVERLOADED' | 'NOT_LEADER' | undefined
  /** Follows no clock unless the test gives it one. */
  wallMs = () => 0
  readOutcome: ReadOutcome = { type: 'ok' }
  #observers: GroupObserver<TimerEffect>[] = []
  #status: GroupStatus = {
    role: 'leader',
    term: 1,
    leaderReplica: 1002,
    leaderNode: 1,
    ready: true,
    commit: 1,
    applied: 1,
    lastAt: 0,
    match: new Map(),
  }

  status(): GroupStatus {
    return this.#status
  }

  propose(proposal: Proposal<TimerReply>): void {
    this.proposed.push(proposal)
    // What replication would not take stops the test, as it would stop the node.
    encodeEntryData(proposal.at, proposal.commands)
    if (this.refuse !== undefined) proposal.done({ type: 'refused', reason: this.refuse })
    else if (this.manual) this.waiting.push(proposal)
    else this.#apply(proposal)
  }

  read(done: (outcome: ReadOutcome) => void): void {
    done(this.readOutcome)
  }

  transferLeadership(): void {
    this.change({ role: 'follower', ready: false, leaderReplica: 0, leaderNode: 0 })
  }

  observe(observer: GroupObserver<TimerEffect>): void {
    this.#observers.push(observer)
  }

  /** Applies what waits, in order, at most `count`. */
  applyNext(count = this.waiting.length): void {
    for (const proposal of this.waiting.splice(0, count)) this.#apply(proposal)
  }

  /** What a deposed leader's proposals become. */
  loseWaiting(): void {
    for (const proposal of this.waiting.splice(0)) proposal.done({ type: 'unknown' })
  }

  change(status: Partial<GroupStatus>): void {
    this.#status = { ...this.#status, ...status }
    for (const observer of this.#observers) observer.status(this.#status)
  }

  /** Another broker takes this replica over, as another node would. */
  forgetObservers(): void {
    this.#observers = []
  }

  #apply(proposal: Proposal<TimerReply>): void {
    const at = Math.max(proposal.at, this.#status.lastAt)
    const index = this.#status.applied + 1
    const applied = proposal.commands.map((command) => this.view.apply(command, { at, index, store: this.store }))
    this.stale += applied.filter(({ reply }) => reply.type === 'stale').length
    this.#status = { ...this.#status, lastAt: at, applied: index, commit: index }
    for (const observer of this.#observers) {
      observer.applied(
        applied.flatMap(({ effects }) => effects),
        at,
        index,
      )
    }
    proposal.done({ type: 'applied', index, at, replies: applied.map(({ reply }) => reply) })
  }
}
