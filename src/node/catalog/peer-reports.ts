/**
 * What the other nodes said last: that they live, what they lead, whether they may be given leaderships. A node that has
 * not been heard of for 3 s counts as gone, and with it what it said.
 */
import type { Env } from '../../base/env.ts'
import type { GroupId, NodeId } from '../../base/ids.ts'
import type { LeaderReport } from '../../rpc/control/types.ts'

const ALIVE_MS = 3000

interface Peer {
  readonly heardMs: number
  /** When it was heard of first, without a gap since. */
  sinceMs: number
  accepts: boolean
  leads: ReadonlyMap<GroupId, number>
}

export interface Leader {
  /** 0: none known. */
  readonly node: NodeId
  readonly term: number
}

export class PeerReports {
  readonly #env: Env
  readonly #carries: (group: GroupId, node: NodeId) => boolean
  readonly #peers = new Map<NodeId, Peer>()
  /** Lived through until the last tick. */
  #livedMs = 0
  #tickedMs: number
  #everyMs = Number.POSITIVE_INFINITY

  /** `carries`: whether a node has a replica of a group. */
  constructor(env: Env, carries: (group: GroupId, node: NodeId) => boolean) {
    this.#env = env
    this.#tickedMs = env.monoMs()
    this.#carries = carries
  }

  /** Whether anything but the time is new. The caller has made sure that the node is one of the cluster. */
  take(report: LeaderReport): boolean {
    const now = this.#nowMs()
    const before = this.#peers.get(report.node)
    const lived = before !== undefined && now - before.heardMs < ALIVE_MS
    const leads = new Map(report.leads.map(({ group, term }) => [group, term]))
    const sinceMs = lived ? before.sinceMs : now
    this.#peers.set(report.node, { heardMs: now, sinceMs, accepts: report.accepts, leads })
    return !lived || before.accepts !== report.accepts || !sameLeads(before.leads, leads)
  }

  /** To be called every so many ms. If it comes late this process stood still, and could hear nobody: that ages none of them. */
  tick(everyMs: number): void {
    this.#livedMs = this.#nowMs()
    this.#tickedMs = this.#env.monoMs()
    this.#everyMs = everyMs
  }

  alive(node: NodeId): boolean {
    return this.#live(node) !== undefined
  }

  /** Heard of without a gap for `ms`, and willing to lead. */
  mayLead(node: NodeId, ms: number): boolean {
    const peer = this.#live(node)
    return peer?.accepts === true && this.#nowMs() - peer.sinceMs >= ms
  }

  /** Of those who say that they lead the group, and have a replica of it, the one with the highest term. */
  leaderOf(group: GroupId): Leader {
    let best: Leader = { node: 0, term: 0 }
    for (const [node, peer] of this.#peers) {
      const term = peer.leads.get(group) ?? 0
      if (term > best.term && this.alive(node) && this.#carries(group, node)) best = { node, term }
    }
    return best
  }

  /** The nodes that are alive, ascending. */
  living(): readonly NodeId[] {
    return [...this.#peers.keys()].filter((node) => this.alive(node)).sort((a, b) => a - b)
  }

  /** Ms that this process has lived through: two ticks at most since the last one, also before the late one has come. */
  #nowMs(): number {
    return this.#livedMs + Math.min(this.#env.monoMs() - this.#tickedMs, 2 * this.#everyMs)
  }

  #live(node: NodeId): Peer | undefined {
    const peer = this.#peers.get(node)
    return peer !== undefined && this.#nowMs() - peer.heardMs < ALIVE_MS ? peer : undefined
  }
}

function sameLeads(a: ReadonlyMap<GroupId, number>, b: ReadonlyMap<GroupId, number>): boolean {
  if (a.size !== b.size) return false
  for (const [group, term] of a) if (b.get(group) !== term) return false
  return true
}
