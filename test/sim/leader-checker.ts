/**
 * What holds of leaders alone, watched from outside: a leader only appends to its log (§5.3), and what it believes its
 * followers to have (matchIndex) lies on their disks.
 */
import type { GroupId, ReplicaId } from '../../src/base/ids.ts'
import type { GroupStatus } from '../../src/replication/group.ts'
import type { GroupLog, WalWrite } from '../../src/storage/wal/types.ts'

export class LeaderChecker {
  readonly #fail: (kind: string, text: string) => void
  /** By replica: up to where it wrote as the leader of a term. */
  readonly #written = new Map<ReplicaId, { readonly term: number; readonly last: number }>()

  constructor(fail: (kind: string, text: string) => void) {
    this.#fail = fail
  }

  /** A replica hands a write to its log, in the order in which it happens. */
  writes({ group, replica, entries }: WalWrite, { role, term }: GroupStatus): void {
    const first = entries?.[0]?.index
    const last = entries?.at(-1)
    // What it wrote as a follower was another's.
    if (role !== 'leader' || first === undefined || last?.term !== term) return
    const known = this.#written.get(replica)
    if (known?.term === term && first <= known.last) {
      this.#fail('leaderRewrites', `${replica} leads group ${group} in term ${term} and writes ${first} a second time`)
    }
    this.#written.set(replica, { term, last: last.index })
  }

  /** `logOf`: what lies on the disk of a replica, undefined when it is not known. */
  matches(group: GroupId, status: GroupStatus, logOf: (replica: ReplicaId) => GroupLog | undefined): void {
    const { role, term, leaderReplica, match } = status
    if (role !== 'leader') return
    const own = logOf(leaderReplica)
    for (const [replica, index] of match) {
      const log = logOf(replica)
      // A follower of a later leader may have replaced what this one still counts on: it counts in vain.
      if (log === undefined || (log.hard?.term ?? 0) > term || log.base.index >= index) continue
      const wanted = own?.term(index)
      if (wanted === undefined || log.term(index) === wanted) continue
      this.#fail(
        'matchBeyondDisk',
        `the leader of term ${term} of group ${group} believes ${replica} to have ${index}, on disk it ends at ${log.lastIndex()}`,
      )
    }
  }
}
