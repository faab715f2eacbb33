/**
 * What holds of a leader's own writes, watched from outside: it only appends to its log (§5.3), and what it appended and
 * nobody has applied is bounded, however long no quorum answers.
 */
import type { ReplicaId } from '../../../src/base/ids.ts'
import type { RaftStatus } from '../../../src/raft/types.ts'
import type { WalWrite } from '../../../src/storage/wal/types.ts'

type Written = Pick<WalWrite, 'group' | 'replica' | 'entries'>

interface Own {
  readonly term: number
  last: number
  /** Of its term and not applied when it was last looked at: index and bytes of payload, ascending. */
  open: { readonly index: number; readonly bytes: number }[]
}

export class LeaderChecker {
  readonly #fail: (kind: string, text: string) => void
  readonly #openBytesMax: number
  readonly #written = new Map<ReplicaId, Own>()

  constructor(fail: (kind: string, text: string) => void, openBytesMax: number) {
    this.#fail = fail
    this.#openBytesMax = openBytesMax
  }

  /** A replica hands a write to its log, in the order in which it happens. */
  writes({ group, replica, entries = [] }: Written, { role, term, applied }: RaftStatus): void {
    const first = entries[0]?.index
    const last = entries.at(-1)
    // What it wrote as a follower was another's.
    if (role !== 'leader' || first === undefined || last?.term !== term) return
    const before = this.#written.get(replica)
    const written = before?.term === term ? before : { term, last: 0, open: [] }
    if (first <= written.last) {
      this.#fail('leaderRewrites', `${replica} leads group ${group} in term ${term} and writes ${first} a second time`)
    }
    written.last = last.index
    for (const { index, data } of entries) written.open.push({ index, bytes: data.byteLength })
    written.open = written.open.filter(({ index }) => index > applied)
    const bytes = written.open.reduce((sum, entry) => sum + entry.bytes, 0)
    // One entry goes, however large; those without payload always do.
    const several = written.open.filter((entry) => entry.bytes > 0).length > 1
    if (several && bytes > this.#openBytesMax) {
      this.#fail('uncommittedBytes', `${replica} leads group ${group} with ${bytes} bytes that are not applied`)
    }
    this.#written.set(replica, written)
  }
}
