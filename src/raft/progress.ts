/**
 * What a leader knows of one replica's log (§5.3), and how fast it may send: one append at a time while it looks for
 * the point of agreement (probe), a window of them afterwards (replicate), none while a snapshot is on its way.
 * Invariant: match < next. In `snapshot`, next = max(match, pendingSnapshot) + 1.
 */
import { Inflights } from './inflights.ts'

export type ProgressState = 'probe' | 'replicate' | 'snapshot'

export interface InflightLimits {
  readonly maxInflightMessages: number
  readonly maxInflightBytes: number
}

export class PeerProgress {
  readonly id: number
  readonly inflights: Inflights
  state: ProgressState = 'probe'
  match = 0
  next: number
  /** Highest commit index sent; what the replica may know of it is also bounded by next - 1. */
  sentCommit = 0
  pendingSnapshot = 0
  /** Heard from since the last quorum check. */
  recentActive = false
  learner: boolean
  /** Its last answer to a heartbeat said that it has a log but no state: it votes, but cannot lead. */
  stateLost = false
  /** A snapshot that replaces the lost state is on its way; its log needs none. */
  replacing = false
  /** An append or probe is out and nothing more goes until an answer, or a heartbeat's. */
  flowPaused = false

  constructor(id: number, next: number, learner: boolean, limits: InflightLimits) {
    this.id = id
    this.next = next
    this.learner = learner
    this.inflights = new Inflights(limits.maxInflightMessages, limits.maxInflightBytes)
  }

  get paused(): boolean {
    return this.state === 'snapshot' || this.flowPaused
  }

  becomeProbe(): void {
    // After a snapshot that arrived, probing goes on behind it; a failed one set pendingSnapshot to 0.
    const next = this.state === 'snapshot' ? Math.max(this.match, this.pendingSnapshot) + 1 : this.match + 1
    this.#enter('probe', next)
    this.sentCommit = Math.min(this.sentCommit, this.next - 1)
  }

  becomeReplicate(): void {
    this.#enter('replicate', this.match + 1)
  }

  becomeSnapshot(index: number): void {
    this.#enter('snapshot', index + 1)
    this.pendingSnapshot = index
    this.sentCommit = index
  }

  /** An append with `count` entries of `bytes` in all was sent. */
  sentEntries(count: number, bytes: number): void {
    if (this.state === 'replicate') {
      if (count > 0) {
        this.next += count
        this.inflights.add(this.next - 1, bytes)
      }
      // At the bound this message counts as a probe: if all were lost, the next heartbeat's answer lets another one go.
      this.flowPaused = this.inflights.full
    } else if (count > 0) {
      this.flowPaused = true
    }
  }

  /** Whether an empty append would tell the replica of a newer commit index that it can use. */
  canBumpCommit(commit: number): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next - 1
  }

  /** The replica acknowledged everything up to `index`. False if that was known. */
  maybeUpdate(index: number): boolean {
    if (index <= this.match) return false
    this.match = index
    this.next = Math.max(this.next, index + 1)
    this.flowPaused = false
    return true
  }

  /** The replica refused an append behind `rejected`; its log may agree at `hint`. False if the refusal is stale. */
  maybeDecrement(rejected: number, hint: number): boolean {
    // A late refusal from before the snapshot says nothing about the log behind it.
    if (this.state === 'snapshot') return false
    if (this.state === 'replicate') {
      if (rejected <= this.match) return false
      this.next = this.match + 1
    } else {
      // While probing only the one outstanding append can be refused; anything else is reordered or repeated.
      if (this.next - 1 !== rejected) return false
      this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1)
      this.flowPaused = false
    }
    this.sentCommit = Math.min(this.sentCommit, this.next - 1)
    return true
  }

  #enter(state: ProgressState, next: number): void {
    this.state = state
    this.next = next
    this.pendingSnapshot = 0
    this.flowPaused = false
    this.inflights.reset()
  }
}
