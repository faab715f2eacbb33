/** Who leads, as one replica last told it: compares the core's status with the last one and says what changed. */
import type { ReplicaId } from '../base/ids.ts'
import type { RaftStatus, Role } from '../raft/types.ts'
import type { GroupStatus } from './group.ts'

export interface Seen {
  readonly role: Role
  readonly term: number
  readonly leader: ReplicaId
  /** Leads, and an entry of its own term is applied. */
  readonly ready: boolean
}

export interface Change {
  readonly before: Seen
  readonly now: Seen
}

export class RoleWatch {
  #seen: Seen = { role: 'follower', term: 0, leader: 0, ready: false }

  get seen(): Seen {
    return this.#seen
  }

  /** `appliedTerm`: term of the last applied entry. undefined when nothing changed. */
  look({ role, term, leader }: Pick<RaftStatus, 'role' | 'term' | 'leader'>, appliedTerm: number): Change | undefined {
    const before = this.#seen
    const ready = role === 'leader' && appliedTerm === term
    if (before.role === role && before.term === term && before.leader === leader && before.ready === ready) {
      return undefined
    }
    this.#seen = { role, term, leader, ready }
    return { before, now: this.#seen }
  }
}

/** A pre-candidate counts as candidate outside of the core. */
export function publicRole(role: Role): GroupStatus['role'] {
  return role === 'preCandidate' ? 'candidate' : role
}
