/**
 * What the core of a replica says of itself, looked at after every frame, every durable write and every applied entry:
 * what never goes back in one life, what a leader believes of its followers, and that what it calls committed lies on
 * the disks of a quorum, of both halves while the configuration is joint.
 */
import type { GroupId, ReplicaId } from '../../../src/base/ids.ts'
import type { ConfState } from '../../../src/base/log-entry.ts'
import type { Progress, RaftStatus } from '../../../src/raft/types.ts'
import type { CoreView } from '../../../src/replication/group.ts'
import type { GroupLog } from '../../../src/storage/wal/types.ts'
import { isQuorum } from './conf-checker.ts'

/** One replica in one life, and the disks of the others. */
export interface Looker {
  readonly group: GroupId
  /** Counts the lives of its process. */
  readonly life: number
  /** Of its own log, durable or on its way. */
  termAt(index: number): number | undefined
  /** What lies on the disk of a replica; undefined when it is not known. */
  logOf(replica: ReplicaId): DiskLog | undefined
  /** Removed for good: it votes no more. */
  isGone(replica: ReplicaId): boolean
}

type DiskLog = Pick<GroupLog, 'hard' | 'base' | 'lastIndex' | 'term'>

/** Of what is on its way to one follower. */
export interface Windows {
  readonly inflightAppends: number
  readonly inflightBytes: number
  /** Of the entries of one message, which are at least one. */
  readonly messageBytes: number
}

type Seen = Pick<RaftStatus, 'term' | 'vote' | 'commit' | 'applied'> & { readonly life: number }

export class CoreChecker {
  readonly #fail: (kind: string, text: string) => void
  readonly #inflightMax: number
  readonly #inflightBytesMax: number
  readonly #committedAtFirst: number
  readonly #seen = new Map<ReplicaId, Seen>()
  /** Replicas that led when they were last looked at, with the life they led in. */
  readonly #leading = new Map<ReplicaId, Looker['life']>()
  /** By group: the highest index that a leader has called committed. */
  readonly #committed = new Map<GroupId, number>()
  /** By group and term: what its leader called committed when it was first seen. */
  readonly #commitsAtStart = new Map<GroupId, Map<number, number>>()

  /** `committed`: what every replica calls committed at first. */
  constructor(fail: (kind: string, text: string) => void, windows: Windows, committed = 0) {
    this.#fail = fail
    this.#inflightMax = windows.inflightAppends
    // The message that reaches the bound may cross it.
    this.#inflightBytesMax = windows.inflightBytes + windows.messageBytes
    this.#committedAtFirst = committed
  }

  look(looker: Looker, { status, progress }: CoreView): void {
    this.#checkLife(looker, status)
    if (status.role !== 'follower') this.#checkRole(looker, status)
    if (status.commit > this.#committedBefore(looker.group)) this.#checkCommit(looker, status)
    if (status.role === 'leader') this.#leading.set(status.id, looker.life)
    else this.#leading.delete(status.id)
    for (const peer of progress) {
      this.#checkProgress(looker, status, peer)
      this.#checkMatch(looker, status, peer)
    }
  }

  #checkLife({ group, life }: Looker, { id, term, vote, commit, applied, lastIndex }: RaftStatus): void {
    const seen = this.#seen.get(id)
    const isSame = seen?.life === life
    if (isSame && seen.term === term && seen.vote === vote && seen.commit === commit && seen.applied === applied) return
    this.#seen.set(id, { life, term, vote, commit, applied })
    const is = `term ${term} vote ${vote} commit ${commit} applied ${applied}`
    if (applied > commit || commit > lastIndex) {
      this.#fail('appliedUncommitted', `replica ${id} of group ${group} has ${is} and a log up to ${lastIndex}`)
    }
    if (!isSame) return
    const revotes = seen.term === term && seen.vote !== 0 && seen.vote !== vote
    if (seen.term > term || seen.commit > commit || seen.applied > applied || revotes) {
      this.#fail('goesBack', `replica ${id} of group ${group} goes from ${JSON.stringify(seen)} to ${is}`)
    }
  }

  /** Only a voter with a state of its own runs or leads. */
  #checkRole({ group }: Looker, status: RaftStatus): void {
    const { id, role, term, confState, needsSnapshot } = status
    if (role === 'leader') this.#inherited(group, status)
    const isVoter = confState.voters.includes(id) || confState.votersOutgoing.includes(id)
    if (!isVoter || needsSnapshot) {
      this.#fail('unfitRole', `replica ${id} of group ${group} is ${role} in term ${term} under ${show(confState)}`)
    }
  }

  #checkCommit({ group, life, termAt, logOf, isGone }: Looker, status: RaftStatus): void {
    const { id, role, term, commit, confState } = status
    const before = this.#committedBefore(group)
    this.#committed.set(group, commit)
    // A leader calls committed what a quorum acknowledged, perhaps right before the message that made it a follower;
    // everybody else hears of it from one.
    if (role !== 'leader' && this.#leading.get(id) !== life) {
      this.#fail('committedByNobody', `replica ${id} of group ${group} calls ${commit} committed, leaders ${before}`)
      return
    }
    const last = termAt(commit)
    const holds = (replica: ReplicaId) => {
      const log = logOf(replica)
      return isGone(replica) || (log !== undefined && (log.base.index >= commit || log.term(commit) === last))
    }
    if (!isQuorum(confState, holds)) {
      const holding = [...confState.voters, ...confState.votersOutgoing].filter(holds)
      const what = `leader ${id} of term ${term} of group ${group} commits ${commit}`
      this.#fail('notOnQuorum', `${what} under ${show(confState)}, it lies on the disks of ${holding}`)
    }
    // §5.4.2: what was there before its term commits with an entry of its own.
    if (role === 'leader' && last !== undefined && last < term && this.#inherited(group, status) < commit) {
      this.#fail('oldTermCommitted', `the leader of term ${term} of group ${group} commits ${last} at ${commit}`)
    }
  }

  #committedBefore(group: GroupId): number {
    return this.#committed.get(group) ?? this.#committedAtFirst
  }

  /** What a leader called committed when it was first seen as one. */
  #inherited(group: GroupId, { term, commit }: RaftStatus): number {
    let byTerm = this.#commitsAtStart.get(group)
    if (byTerm === undefined) {
      byTerm = new Map()
      this.#commitsAtStart.set(group, byTerm)
    }
    const known = byTerm.get(term)
    if (known === undefined) byTerm.set(term, commit)
    return known ?? commit
  }

  #checkProgress({ group }: Looker, { id, term, lastIndex }: RaftStatus, peer: Progress): void {
    const { match, next, state, pendingSnapshot, inflight, inflightBytes } = peer
    const isOrdered = match >= 0 && match < next && next <= lastIndex + 1
    // What it acknowledged late may reach behind the snapshot, and yet not to where the log begins by now.
    const fitsState = state === 'snapshot' ? next === Math.max(match, pendingSnapshot) + 1 : pendingSnapshot === 0
    const fitsWindow = inflight <= this.#inflightMax && inflightBytes < this.#inflightBytesMax
    if (isOrdered && fitsState && fitsWindow) return
    const what = `leader ${id} of term ${term} of group ${group} with a log up to ${lastIndex}`
    this.#fail('progress', `${what} thinks of a follower ${JSON.stringify(peer)}`)
  }

  /** What a leader believes its followers to have (matchIndex) lies on their disks. */
  #checkMatch({ group, termAt, logOf }: Looker, { term }: RaftStatus, { id: replica, match }: Progress): void {
    const log = logOf(replica)
    // A follower of a later leader may have replaced what this one still counts on: it counts in vain.
    if (log === undefined || (log.hard?.term ?? 0) > term || log.base.index >= match) return
    const wanted = termAt(match)
    if (wanted === undefined || log.term(match) === wanted) return
    const what = `the leader of term ${term} of group ${group} believes ${replica} to have ${match}`
    this.#fail('matchBeyondDisk', `${what}, on disk it ends at ${log.lastIndex()}`)
  }
}

function show(conf: ConfState): string {
  return JSON.stringify(conf)
}
