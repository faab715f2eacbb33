/**
 * Figure 3 of the paper and what durability adds to it, watched over all nodes, groups and lives from outside: what the
 * log calls durable, what frames say, what views apply, who says that it leads. The first violation is kept; the run ends.
 */
import type { GroupId, NodeId, ReplicaId } from '../../src/base/ids.ts'
import type { Message } from '../../src/raft/types.ts'
import { decodeFrame } from '../../src/replication/frame/frame.ts'
import type { GroupLog, Wal, WalWrite } from '../../src/storage/wal/types.ts'
import { HardStateChecker } from '../raft/simulation/hard-state-checker.ts'

export interface Finding {
  /** Which promise is broken: shrinking keeps to one. */
  readonly kind: string
  readonly text: string
}

interface GroupFacts {
  /** Highest index that any view has applied. */
  committed: number
  /** By index: the entry's term, and the term in which the first to apply it was. */
  readonly entries: Map<number, { readonly term: number | undefined; readonly byTerm: number }>
  /** By index: what each of its commands was and answered. */
  readonly applied: Map<number, string[]>
  /** By term: who led, in which life. */
  readonly leaders: Map<number, string>
}

export class RaftChecker {
  readonly #findings: Finding[] = []
  readonly #groups = new Map<GroupId, GroupFacts>()
  readonly #hardStates = new HardStateChecker((kind, text) => this.fail(kind, text))
  /** By replica and term: for whom. */
  readonly #votes = new Map<string, ReplicaId>()
  readonly #onFinding: (finding: Finding) => void

  constructor(onFinding: (finding: Finding) => void) {
    this.#onFinding = onFinding
  }

  get finding(): Finding | undefined {
    return this.#findings[0]
  }

  fail(kind: string, text: string): void {
    if (this.#findings.length > 0) return
    this.#findings.push({ kind, text })
    this.#onFinding({ kind, text })
  }

  committed(group: GroupId): number {
    return this.#facts(group).committed
  }

  durable(write: WalWrite): void {
    this.#hardStates.durable(write)
  }

  /** A node opened its log: nothing that was durable in its last life, `before`, is gone. */
  reopened(node: NodeId, wal: Wal, before: Wal | undefined): void {
    for (const log of wal.groups()) {
      this.#hardStates.reopened(log, log.hard)
      const last = before?.group(log.group)
      if (last?.replica === log.replica) this.#checkLog(node, log, last)
    }
  }

  /** Votes and acknowledgements leave only when what they promise is durable. */
  sent(node: NodeId, frame: Uint8Array, wal: Pick<Wal, 'group'>): void {
    for (const { group, message } of decodeFrame(frame).envelopes) {
      if (message.reject) continue
      const log = wal.group(group)
      if (message.type === 'requestVoteResponse') this.#checkVote(node, message, message.to, log)
      // Whoever asks for votes has given itself its own.
      if (message.type === 'requestVote') this.#checkVote(node, message, message.from, log)
      if (message.type === 'appendEntriesResponse') this.#checkAcknowledgement(node, message, log)
    }
  }

  /** Election safety and leader completeness. */
  leads(
    group: GroupId,
    term: number,
    who: { readonly replica: ReplicaId; readonly life: number },
    log: GroupLog | undefined,
  ): void {
    const facts = this.#facts(group)
    const name = `${who.replica} in life ${who.life}`
    const known = facts.leaders.get(term)
    if (known !== undefined && known !== name) {
      this.fail('twoLeaders', `group ${group} has two leaders in term ${term}: ${known} and ${name}`)
    }
    facts.leaders.set(term, name)
    for (let index = facts.committed; index > (log?.base.index ?? 0); index--) {
      const entry = facts.entries.get(index)
      // Committed by a later leader: it need not have it.
      if (entry === undefined || entry.byTerm >= term) continue
      const own = log?.term(index)
      if (own !== entry.term) {
        this.fail(
          'leaderIncomplete',
          `leader ${name} of term ${term} has ${own} at ${index}, committed is ${entry.term}`,
        )
      }
      // Log matching: with this one it has all before it.
      return
    }
  }

  /** A view applied a command: every replica the same, in all lives. */
  command(group: GroupId, index: number, place: number, what: string): void {
    const { applied } = this.#facts(group)
    const known = applied.get(index) ?? []
    applied.set(index, known)
    if (known[place] === undefined) known[place] = what
    else if (known[place] !== what) {
      this.fail('stateMachine', `group ${group} applies at ${index}.${place} both\n  ${known[place]}\n  ${what}`)
    }
  }

  /** An entry was applied by a replica with the log `own`, which has it on disk; every replica applies the same one. */
  applied(group: GroupId, index: number, byTerm: number, own: GroupLog | undefined): void {
    const facts = this.#facts(group)
    const term = own?.term(index)
    if (term === undefined && (own?.base.index ?? 0) < index) {
      this.fail('appliedBeforeDurable', `group ${group} applies ${index} where the log ends at ${own?.lastIndex()}`)
    }
    const known = facts.entries.get(index)
    if (known?.term !== undefined && term !== undefined && known.term !== term) {
      this.fail('appliedTwice', `group ${group} applies at ${index} both an entry of term ${known.term} and of ${term}`)
    }
    if (index <= facts.committed) return
    facts.committed = index
    facts.entries.set(index, { term, byTerm })
    facts.entries.delete(index - 100_000)
  }

  #checkLog(node: NodeId, log: GroupLog, before: GroupLog): void {
    const { entries, committed } = this.#facts(log.group)
    for (let index = Math.min(before.lastIndex(), committed); index > log.base.index; index--) {
      const term = entries.get(index)?.term
      if (term !== undefined && before.term(index) === term && log.term(index) !== term) {
        this.fail(
          'entryLost',
          `node ${node} had ${term} at committed ${index} of group ${log.group}, now ${log.term(index)}`,
        )
        return
      }
    }
  }

  #checkVote(node: NodeId, { from, term }: Message, candidate: ReplicaId, log: GroupLog | undefined): void {
    const hard = log?.hard
    const isDurable = hard !== undefined && (hard.term > term || (hard.term === term && hard.vote === candidate))
    const what = `node ${node} votes for ${candidate} in term ${term}`
    if (!isDurable) this.fail('voteNotDurable', `${what}, on disk is ${JSON.stringify(hard)}`)
    const key = `${from} ${term}`
    const known = this.#votes.get(key)
    if (known !== undefined && known !== candidate) this.fail('twoVotes', `${what}, before for ${known}`)
    this.#votes.set(key, candidate)
  }

  #checkAcknowledgement(node: NodeId, { term, index }: Message, log: GroupLog | undefined): void {
    const hard = log?.hard
    // An acknowledgement of an older term may name entries that were replaced since: it is stale and harmless.
    const isDurable =
      hard !== undefined && (hard.term > term || (hard.term === term && index <= (log?.lastIndex() ?? 0)))
    if (!isDurable) {
      const on = `${JSON.stringify(hard)} up to ${log?.lastIndex()}`
      this.fail('acknowledgedEarly', `node ${node} acknowledges ${index} in term ${term}, on disk is ${on}`)
    }
  }

  #facts(group: GroupId): GroupFacts {
    let facts = this.#groups.get(group)
    if (facts === undefined) {
      facts = { committed: 0, entries: new Map(), applied: new Map(), leaders: new Map() }
      this.#groups.set(group, facts)
    }
    return facts
  }
}
