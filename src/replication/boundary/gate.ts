/**
 * What another node says to a replica, held against what the replica knows, before its core hears of it: the core asserts
 * that its peers keep the protocol, and an assertion stops the node. So a message that no honest peer sends (a violation)
 * is thrown back here, and one of a replica that is not known here is dropped. Stale messages pass: the core acts on none.
 */
import type { Env } from '../../base/env.ts'
import type { NodeId, ReplicaId } from '../../base/ids.ts'
import { violation } from '../../base/violation.ts'
import type { RaftGroup } from '../../raft/raft.ts'
import type { Message } from '../../raft/types.ts'
import type { View } from '../../views/view.ts'
import { checkEntries } from './entries.ts'
import { TermGuard } from './term-guard.ts'

export interface GateParts {
  readonly env: Env
  readonly raft: RaftGroup
  readonly view: Pick<View, 'isCommand'>
  /** Where a replica of the group lives; 0: not known. */
  readonly nodeOf: (replica: ReplicaId) => NodeId
  /** The core has something new to say. */
  readonly mark: () => void
}

export class Gate {
  readonly #parts: GateParts
  readonly #terms: TermGuard

  constructor(parts: GateParts) {
    this.#parts = parts
    this.#terms = new TermGuard(parts.env, parts.raft, parts.mark)
  }

  /** Whether the core is to step what `node` sent. Throws INVALID, with the field that cannot be, for a violation. */
  admits(node: NodeId, m: Message): boolean {
    const { raft, nodeOf } = this.#parts
    const home = nodeOf(m.from)
    if (home === 0) return false
    if (home !== node) throw violation('from', `replica ${m.from} is on node ${home}, not on ${node}`)
    if (!this.#terms.admits(m)) return false
    if (m.term < raft.term) return true
    this.#check(m)
    return true
  }

  #check(m: Message): void {
    const { raft } = this.#parts
    switch (m.type) {
      case 'appendEntries':
        this.#checkAppend(m)
        break
      case 'heartbeat':
        if (m.commit > raft.lastIndex) {
          throw violation(
            'commit',
            `commit ${m.commit} of a heartbeat is beyond the log, which ends at ${raft.lastIndex}`,
          )
        }
        break
      case 'installSnapshot':
        this.#checkSnapshot(m)
        break
      case 'requestVote':
      case 'requestPreVote':
        if (m.logTerm >= m.term) throw violation('logTerm', `its log is of term ${m.logTerm}, it runs in ${m.term}`)
        if (m.context > 1) throw violation('context', `context ${m.context} is no way to run`)
        break
      case 'appendEntriesResponse':
      case 'heartbeatResponse':
        // An answer in an earlier or a later term is for another leadership than this one.
        if (raft.role === 'leader' && m.term === raft.term) this.#checkAnswer(m)
        break
      default:
        break
    }
  }

  #checkAppend(m: Message): void {
    checkEntries(m, this.#parts.view)
    const { raft } = this.#parts
    if (m.index > raft.commit) return
    this.#checkCommitted('logTerm', m.index, m.logTerm)
    for (const { index, term } of m.entries) {
      if (index > raft.commit) return
      this.#checkCommitted('entries', index, term)
    }
  }

  #checkSnapshot({ term, snapshot }: Message): void {
    if (snapshot === undefined) return
    if (snapshot.term > term) throw violation('snapshot.term', `it ends in ${snapshot.term}, its leader is of ${term}`)
    this.#checkCommitted('snapshot.term', snapshot.index, snapshot.term)
  }

  /** Leaders of this term and later ones have what is committed (§5.4.3). */
  #checkCommitted(field: string, index: number, term: number): void {
    const { raft } = this.#parts
    const own = index <= raft.commit ? raft.termAt(index) : undefined
    if (own !== undefined && own !== term) {
      throw violation(field, `entry ${index} is committed, in term ${own} and not in ${term}`)
    }
  }

  #checkAnswer(m: Message): void {
    const { raft } = this.#parts
    const beyond = m.index > raft.lastIndex
    if (m.type === 'heartbeatResponse') {
      if (m.context > raft.lastRead) throw violation('context', `no heartbeat carried ${m.context}`)
      if (m.reject && beyond) throw violation('index', `a snapshot at ${m.index} is asked for, beyond the log`)
      return
    }
    if (!m.reject && beyond) throw violation('index', `${m.index} is acknowledged, the log ends at ${raft.lastIndex}`)
    if (m.reject && m.rejectHint > m.index) throw violation('rejectHint', `${m.rejectHint} is behind what was refused`)
  }
}
