/**
 * Log matching (§5.3) over whole logs, committed or not, of all nodes and lives: an index and a term name one entry and
 * one predecessor, from which follows that logs which agree in one place agree in all before it. And of §6: behind what
 * it knows to be committed no log has two changes of membership.
 */
import { crc32 } from 'node:zlib'
import type { GroupId, NodeId } from '../../../src/base/ids.ts'
import type { Entry } from '../../../src/base/log-entry.ts'
import type { GroupLog, LogPosition, WalWrite } from '../../../src/storage/wal/types.ts'

interface Known {
  /** By term and index in one number: the term before it and a checksum of type and data in one number. */
  readonly entries: Map<number, number>
  readonly changes: LogPosition[]
}

type Written = Pick<WalWrite, 'group' | 'entries'>

type OpenedLog = Pick<GroupLog, 'hard' | 'base' | 'lastIndex' | 'term' | 'entries'>

type TermAt = (index: number) => number | undefined

/** Terms stay below 2^21, so that both halves fit into a double. */
const HALF = 2 ** 32

export class LogChecker {
  readonly #fail: (kind: string, text: string) => void
  readonly #groups = new Map<GroupId, Known>()

  constructor(fail: (kind: string, text: string) => void) {
    this.#fail = fail
  }

  /** A write is handed to a log; `termAt`: of that log up to this write. `commit`: what its replica calls committed. */
  hands(node: NodeId, { group, entries = [] }: Written, termAt: TermAt, commit: number): void {
    const first = entries[0]
    if (first === undefined) return
    let previous = termAt(first.index - 1)
    let changes = false
    for (const entry of entries) {
      if (previous === undefined) {
        this.#fail('logGap', `node ${node} writes ${entry.term}/${entry.index} of group ${group} behind nothing`)
        return
      }
      this.#note(node, group, entry, previous)
      previous = entry.term
      changes ||= entry.type === 'confChange'
    }
    const end = first.index + entries.length
    const after = (index: number) =>
      index < first.index ? termAt(index) : index < end ? entries[index - first.index]?.term : undefined
    if (changes) this.#checkChanges(node, group, after, commit)
  }

  /** What a node finds in a log that it opens was handed to that log once. */
  opens(node: NodeId, group: GroupId, log: OpenedLog): void {
    const { base, hard } = log
    const last = log.lastIndex()
    if (last === base.index) return
    const { entries: known } = this.#known(group)
    let previous = base.term
    for (const entry of log.entries(base.index + 1, last + 1, Number.POSITIVE_INFINITY)) {
      if (known.get(keyOf(entry)) !== contentOf(entry, previous)) {
        const place = `${entry.term}/${entry.index}`
        this.#fail('logChanged', `node ${node} finds another ${place} of group ${group} in its log than was written`)
        return
      }
      previous = entry.term
    }
    this.#checkChanges(node, group, (index) => log.term(index), Math.max(hard?.commit ?? 0, base.index))
  }

  #note(node: NodeId, group: GroupId, entry: Entry, previous: number): void {
    const { entries, changes } = this.#known(group)
    const key = keyOf(entry)
    const content = contentOf(entry, previous)
    const known = entries.get(key)
    if (known === undefined) {
      entries.set(key, content)
      if (entry.type === 'confChange') changes.push({ index: entry.index, term: entry.term })
    } else if (known !== content) {
      const place = `${entry.term}/${entry.index} of group ${group} behind term ${previous}`
      this.#fail('logsDiffer', `node ${node} writes another ${place} than was written before`)
    }
  }

  /** The one that is not known to be committed may be a truncated one's successor, but there are never two in one log. */
  #checkChanges(node: NodeId, group: GroupId, termAt: TermAt, commit: number): void {
    const open = this.#known(group).changes.filter(({ index, term }) => index > commit && termAt(index) === term)
    if (open.length > 1) {
      const places = open.map(({ index, term }) => `${term}/${index}`).join(' and ')
      this.#fail('twoChanges', `node ${node} has changes ${places} of group ${group} behind its commit index ${commit}`)
    }
  }

  #known(group: GroupId): Known {
    let known = this.#groups.get(group)
    if (known === undefined) {
      known = { entries: new Map(), changes: [] }
      this.#groups.set(group, known)
    }
    return known
  }
}

function keyOf({ term, index }: LogPosition): number {
  return term * HALF + index
}

function contentOf({ type, data }: Entry, previous: number): number {
  // Nothing may have a checksum of its own: that of no bytes at all depends on whether they have a place in memory.
  const sum = data.length === 0 ? 0 : crc32(data)
  return previous * HALF + ((sum ^ (type === 'confChange' ? 1 : 0)) >>> 0)
}
