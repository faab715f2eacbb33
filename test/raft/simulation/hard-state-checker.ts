/** Terms, votes and commit indexes on disk never go back, over all lives of a replica; nobody writes after its end. */
import type { GroupId, ReplicaId } from '../../../src/base/ids.ts'
import type { HardState } from '../../../src/base/log-entry.ts'
import type { WalWrite } from '../../../src/storage/wal/types.ts'

const NONE: HardState = { term: 0, vote: 0, commit: 0 }

export class HardStateChecker {
  readonly #fail: (kind: string, text: string) => void
  readonly #durable = new Map<ReplicaId, HardState>()
  readonly #removed = new Set<ReplicaId>()

  constructor(fail: (kind: string, text: string) => void) {
    this.#fail = fail
  }

  /** A write is durable. */
  durable({ group, replica, hard, removed }: WalWrite): void {
    if (this.#removed.has(replica)) {
      this.#fail('idUsedAgain', `replica ${replica} of group ${group} writes after its end`)
    }
    if (removed === true) this.#removed.add(replica)
    if (hard === undefined) return
    const known = this.#durable.get(replica) ?? NONE
    if (isBehind(hard, known)) this.#fail('hardStateBack', between({ group, replica }, known, hard))
    if (revotes(hard, known)) this.#fail('doubleVote', between({ group, replica }, known, hard))
    this.#durable.set(replica, hard)
  }

  /** A replica starts again from what it finds on its disk. */
  reopened(of: { readonly group: GroupId; readonly replica: ReplicaId }, hard: HardState | undefined): void {
    const known = this.#durable.get(of.replica)
    if (known === undefined) return
    const found = hard ?? NONE
    if (isBehind(found, known) || revotes(found, known)) this.#fail('hardStateLost', between(of, known, found))
  }
}

function isBehind(one: HardState, known: HardState): boolean {
  return one.term < known.term || one.commit < known.commit
}

function revotes(one: HardState, known: HardState): boolean {
  return one.term === known.term && known.vote !== 0 && one.vote !== known.vote
}

function between(of: { readonly group: GroupId; readonly replica: ReplicaId }, was: HardState, is: HardState): string {
  const show = ({ term, vote, commit }: HardState) => `${term}/${vote}/${commit}`
  return `replica ${of.replica} of group ${of.group} goes from ${show(was)} to ${show(is)}`
}
