/**
 * Brings leaderships home: where this node leads a partition whose preferred leader (its first replica) is another node
 * that is well and has everything, it hands over. Never to a node that does not take part, one at a time, and after a try,
 * whatever came of it, the same partition waits, each time longer.
 */
import type { Env } from '../../base/env.ts'
import { CATALOG_GROUP, type GroupId, type NodeId } from '../../base/ids.ts'
import type { GroupStatus, Member } from '../../replication/group.ts'
import type { PartitionRecord } from '../../views/catalog/commands.ts'
import type { LocalReplica } from './local-replicas.ts'

export interface LeaderBalancerOptions {
  readonly env: Env
  readonly self: NodeId
  /** Those that lead here. */
  readonly leading: () => Iterable<LocalReplica>
  readonly partitionOf: (group: GroupId) => PartitionRecord | undefined
  /** Whether the node has been well for `ms` and takes leaderships. */
  readonly mayLead: (node: NodeId, ms: number) => boolean
}

interface Tenure {
  readonly term: number
  readonly sinceMs: number
}

interface Tried {
  readonly atMs: number
  readonly waitMs: number
}

/** A new leader, and a node that has just come back, first settle. */
const SETTLE_MS = 2000
const WAIT_MIN_MS = 5000
const WAIT_MAX_MS = 60_000
/** After so long without a try the wait is short again. */
const FORGET_MS = 300_000
/** Leaders: a thousand of them are not gone through at each. */
const LOOKS_PER_TICK = 256

export class LeaderBalancer {
  readonly #options: LeaderBalancerOptions
  readonly #tenures = new Map<GroupId, Tenure>()
  readonly #tried = new Map<GroupId, Tried>()
  /** Through all that lead here, over several ticks; `away`: those of them that should lead elsewhere. */
  #round: { readonly rest: Iterator<LocalReplica>; readonly away: Set<GroupId> } | undefined

  constructor(options: LeaderBalancerOptions) {
    this.#options = options
  }

  /** Called a few times a second: looks at some more of those that lead here, and hands over at most one leadership. */
  tick(): void {
    const now = this.#options.env.monoMs()
    this.#round ??= { rest: this.#options.leading()[Symbol.iterator](), away: new Set() }
    const { rest, away } = this.#round
    let handedOver = false
    for (let looks = 0; looks < LOOKS_PER_TICK; looks++) {
      const { done, value: replica } = rest.next()
      if (done === true) {
        this.#endRound(away, now)
        return
      }
      // Most are at home: they are not even asked.
      const home = this.#homeElsewhere(replica.group)
      if (home === undefined) continue
      const status = replica.status()
      if (status.role !== 'leader') continue
      away.add(replica.group)
      const settled = this.#settled(replica.group, status, now)
      if (settled && !handedOver) handedOver = this.#handOver(replica, home, status, now)
    }
  }

  #endRound(away: ReadonlySet<GroupId>, now: number): void {
    this.#round = undefined
    for (const group of this.#tenures.keys()) if (!away.has(group)) this.#tenures.delete(group)
    for (const [group, { atMs }] of this.#tried) if (now - atMs >= FORGET_MS) this.#tried.delete(group)
  }

  #settled(group: GroupId, { term, ready }: GroupStatus, now: number): boolean {
    const tenure = this.#tenures.get(group)
    if (tenure?.term === term) return ready && now - tenure.sinceMs >= SETTLE_MS
    this.#tenures.set(group, { term, sinceMs: now })
    return false
  }

  /** The replica that should lead the group, if it is on another node. */
  #homeElsewhere(group: GroupId): Member | undefined {
    const { self, partitionOf } = this.#options
    const home = group === CATALOG_GROUP ? undefined : partitionOf(group)?.replicas[0]
    return home?.node === self ? undefined : home
  }

  #handOver(replica: LocalReplica, home: Member, status: GroupStatus, now: number): boolean {
    if (!this.#options.mayLead(home.node, SETTLE_MS)) return false
    if ((status.match.get(home.replica) ?? 0) < status.commit) return false
    const before = this.#tried.get(replica.group)
    if (before !== undefined && now - before.atMs < before.waitMs) return false
    const waitMs = before === undefined ? WAIT_MIN_MS : Math.min(2 * before.waitMs, WAIT_MAX_MS)
    this.#tried.set(replica.group, { atMs: now, waitMs })
    replica.transferLeadership(home.replica)
    return true
  }
}
