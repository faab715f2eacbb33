/** The invariants of figure 3, and those of durability, watched over all nodes and all their lives. */
import type { Entry } from '../../../src/base/log-entry.ts'
import type { Message } from '../../../src/raft/types.ts'
import type { CoreView } from '../../../src/replication/group.ts'
import { text } from '../harness/entries.ts'
import type { MemoryLog } from '../harness/memory-log.ts'
import { ConfChecker } from './conf-checker.ts'
import { CoreChecker, type Looker, type Windows } from './core-checker.ts'
import { HardStateChecker } from './hard-state-checker.ts'
import { LeaderChecker } from './leader-checker.ts'
import { LogChecker } from './log-checker.ts'

export class Violation extends Error {
  override readonly name = 'Violation'
}

function violated(kind: string, text: string): never {
  throw new Violation(`${kind}: ${text}`)
}

interface Known {
  readonly term: number
  readonly data: string
}

interface Committed extends Known {
  /** It was committed by the leader of this term at the latest: later ones have it. */
  readonly byTerm: number
}

export class Checker {
  readonly #leaders = new Map<number, number>()
  readonly #votes = new Map<string, number>()
  readonly #committed = new Map<number, Committed>()
  readonly #acknowledged = new Map<number, Known>()
  readonly logs = new LogChecker(violated)
  readonly confs = new ConfChecker(violated)
  readonly hardStates = new HardStateChecker(violated)
  readonly leaders: LeaderChecker
  readonly #cores: CoreChecker
  /** The highest index that any node has called committed. */
  committed: number

  constructor(base: number, windows: Windows, uncommittedBytes: number) {
    this.committed = base
    this.#cores = new CoreChecker(violated, windows, base)
    this.leaders = new LeaderChecker(violated, uncommittedBytes)
  }

  look(looker: Looker, core: CoreView): void {
    this.#cores.look(looker, core)
    this.committed = Math.max(this.committed, core.status.commit)
  }

  /** Election safety: one leader in a term. Leader completeness: it has everything committed. True: it was not known. */
  leads(id: number, term: number, termAt: (index: number) => number | undefined): boolean {
    const known = this.#leaders.get(term)
    if (known === id) return false
    if (known !== undefined) throw new Violation(`two leaders in term ${term}: ${known} and ${id}`)
    this.#leaders.set(term, id)
    for (let index = this.committed; index > this.committed - 5; index--) {
      const entry = this.#committed.get(index)
      if (entry === undefined || entry.byTerm >= term) continue
      const own = termAt(index)
      if (own !== undefined && own !== entry.term) {
        throw new Violation(`leader ${id} of term ${term} has term ${own} at committed index ${index}`)
      }
      if (own === undefined && index === this.committed) {
        throw new Violation(`leader ${id} of term ${term} lacks committed index ${index}`)
      }
    }
    return true
  }

  /** State machine safety: an index is applied with one content, for ever. */
  applies(id: number, entry: Entry, byTerm: number): void {
    const known = this.#committed.get(entry.index)
    const data = text(entry.data)
    if (known === undefined) this.#committed.set(entry.index, { term: entry.term, data, byTerm })
    else if (known.term !== entry.term || known.data !== data) {
      throw new Violation(`${id} applies ${entry.term}/${data} at ${entry.index}, another ${known.term}/${known.data}`)
    }
    this.committed = Math.max(this.committed, entry.index)
  }

  acknowledged(index: number, term: number, data: string): void {
    this.#acknowledged.set(index, { term, data })
  }

  /** Votes and acknowledgements leave only when what they promise is on disk; one vote per term, across lives. */
  sends(m: Message, log: MemoryLog): void {
    if (m.type === 'appendEntriesResponse' && !m.reject) {
      // An acknowledgement of an older term may name entries that were replaced since: it is stale and harmless.
      if (m.term > log.hard.term) throw new Violation(`${m.from} acknowledges in term ${m.term} before it is durable`)
      if (m.term === log.hard.term && m.index > log.lastIndex()) {
        throw new Violation(`${m.from} acknowledges ${m.index}, has ${log.lastIndex()} on disk`)
      }
    }
    if (m.type === 'requestVoteResponse' && !m.reject) this.#votesFor(m.from, m.term, m.to, log)
    if (m.type === 'requestVote') this.#votesFor(m.from, m.term, m.from, log)
    if (m.type === 'appendEntries' && m.entries[0] !== undefined && m.entries[0].index !== m.index + 1) {
      throw new Violation(`${m.from} sends entries from ${m.entries[0].index} behind ${m.index}`)
    }
  }

  #votesFor(voter: number, term: number, candidate: number, log: MemoryLog): void {
    if (log.hard.term < term || (log.hard.term === term && log.hard.vote !== candidate)) {
      throw new Violation(`${voter} votes for ${candidate} in term ${term} before it is durable`)
    }
    const key = `${voter}/${term}`
    const known = this.#votes.get(key)
    if (known !== undefined && known !== candidate) {
      throw new Violation(`${voter} votes for ${known} and ${candidate} in term ${term}`)
    }
    this.#votes.set(key, candidate)
  }

  /** At the end: what a client was told is committed is what is committed. */
  finish(): void {
    for (const [index, { term, data }] of this.#acknowledged) {
      const known = this.#committed.get(index)
      if (known?.term !== term || known.data !== data) throw new Violation(`acknowledged ${data} at ${index} is lost`)
    }
  }
}
