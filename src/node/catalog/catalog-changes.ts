/**
 * Catalog changes and read points from any node: at the catalog's leader, here or over the peer port, tried again until
 * their time is over. Every command may be proposed twice without harm (see views/catalog/commands.ts), so a try whose
 * outcome nobody knows is repeated; only if none becomes known is the answer COMMIT_UNKNOWN.
 */
import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import type { NodeId } from '../../base/ids.ts'
import type { ControlClient, ControlProposeOutcome, ControlReadOutcome } from '../../rpc/control/types.ts'
import { decodeReply, encodeCommand } from '../../views/catalog/command-codec.ts'
import type { CatalogCommand, CatalogReply } from '../../views/catalog/commands.ts'
import type { AppliedWaiters } from './applied-waiters.ts'
import type { CatalogLeader } from './catalog-leader.ts'

export interface CatalogChangesOptions {
  readonly env: Env
  readonly self: NodeId
  readonly control: ControlClient
  readonly leader: CatalogLeader
  readonly waiters: AppliedWaiters
  /** Best known leader of the catalog; 0: none. */
  readonly leaderOf: () => NodeId
}

export interface Changed {
  readonly reply: CatalogReply
  /** An earlier try may have taken effect. */
  readonly uncertain: boolean
}

const TRY_MS = 2000
const PAUSE_MS = 50
/** One round of reading, whoever waits for it. */
const REFRESH_MS = 10_000

export class CatalogChanges {
  readonly #options: CatalogChangesOptions
  #reading: Promise<number> | undefined
  #next: Promise<number> | undefined
  /** Ends each wait for the catalog's leader or for time to pass. */
  readonly #waits = new Set<() => void>()
  #closed = false

  constructor(options: CatalogChangesOptions) {
    this.#options = options
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Whoever waits is told now. */
  close(): void {
    this.#closed = true
    for (const end of [...this.#waits]) end()
    this.#options.waiters.close()
  }

  /** Resolves once this node has applied the change. Rejects with NO_QUORUM, COMMIT_UNKNOWN or SHUTTING_DOWN. */
  async propose(command: CatalogCommand, deadlineMs: number): Promise<Changed> {
    const { env } = this.#options
    const bytes = encodeCommand(command)
    const endMs = env.monoMs() + deadlineMs
    let uncertain = false
    let hint: NodeId = 0
    while (env.monoMs() < endMs && !this.#closed) {
      const outcome = await this.#proposeOnce(bytes, hint, Math.min(TRY_MS, endMs - env.monoMs()))
      if (outcome.type === 'applied') {
        await this.#applied(outcome.index, endMs - env.monoMs())
        return { reply: decodeReply(outcome.reply), uncertain }
      }
      uncertain ||= outcome.type === 'unknown'
      hint = outcome.type === 'refused' ? outcome.leader : 0
      await this.#pause(PAUSE_MS)
    }
    throw this.#gaveUp(uncertain)
  }

  /** Waits until this node's replica is as new as the catalog was at the call: it has applied that index. Callers share rounds. */
  refresh(deadlineMs: number): Promise<number> {
    return this.#within(this.#round(), deadlineMs)
  }

  /** A round that is under way may have asked before this call: whoever comes now waits for the next. */
  #round(): Promise<number> {
    if (this.#reading === undefined) return this.#startRound()
    const ended = () => undefined
    this.#next ??= this.#reading.then(ended, ended).then(() => this.#startRound())
    return this.#next
  }

  #startRound(): Promise<number> {
    this.#next = undefined
    const round = this.#read().finally(() => {
      if (this.#reading === round) this.#reading = undefined
    })
    this.#reading = round
    return round
  }

  async #read(): Promise<number> {
    const { env, waiters } = this.#options
    const endMs = env.monoMs() + REFRESH_MS
    let hint: NodeId = 0
    while (env.monoMs() < endMs && !this.#closed) {
      const outcome = await this.#readOnce(hint, Math.min(TRY_MS, endMs - env.monoMs()))
      if (outcome.type === 'ok') {
        await waiters.reach(outcome.index, endMs - env.monoMs())
        return outcome.index
      }
      hint = outcome.leader
      await this.#pause(PAUSE_MS)
    }
    throw this.#gaveUp(false)
  }

  /** The change is made; that this node does not see it in time must not look like a refusal. */
  async #applied(index: number, timeoutMs: number): Promise<void> {
    try {
      await this.#options.waiters.reach(index, timeoutMs)
    } catch (cause) {
      throw new SandglassError('COMMIT_UNKNOWN', 'Cannot see the change of the catalog here yet', { cause })
    }
  }

  async #proposeOnce(command: Uint8Array, hint: NodeId, timeoutMs: number): Promise<ControlProposeOutcome> {
    const { self, leader, control } = this.#options
    const node = this.#leaderNode(hint)
    if (node === 0) return { type: 'refused', leader: 0 }
    const asked = node === self ? leader.propose(command) : control.propose(node, command, timeoutMs)
    try {
      return await this.#within(asked, timeoutMs)
    } catch {
      // The question may have arrived.
      return { type: 'unknown' }
    }
  }

  async #readOnce(hint: NodeId, timeoutMs: number): Promise<ControlReadOutcome> {
    const { self, leader, control } = this.#options
    const node = this.#leaderNode(hint)
    if (node === 0) return { type: 'refused', leader: 0 }
    try {
      return await this.#within(node === self ? leader.readIndex() : control.readIndex(node, timeoutMs), timeoutMs)
    } catch {
      // Reading changes nothing: no answer is as good as a refusal.
      return { type: 'refused', leader: 0 }
    }
  }

  #leaderNode(hint: NodeId): NodeId {
    const { leader, self, leaderOf } = this.#options
    if (leader.ready) return self
    const known = hint !== 0 && hint !== self ? hint : leaderOf()
    // It does not lead (any more), or cannot yet.
    return known === self ? 0 : known
  }

  #gaveUp(uncertain: boolean): SandglassError {
    if (uncertain) return new SandglassError('COMMIT_UNKNOWN', 'Cannot change the catalog: its leader went silent')
    if (this.#closed) return new SandglassError('SHUTTING_DOWN', 'Cannot ask the catalog: the node shuts down')
    return new SandglassError('NO_QUORUM', 'Cannot ask the catalog: it has no leader')
  }

  /** Shorter when the node closes. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel()
        this.#waits.delete(end)
        resolve()
      }
      const timer = this.#options.env.after(ms, end)
      this.#waits.add(end)
    })
  }

  /** Rejects after `ms`, and as soon as the node closes. */
  #within<T>(promise: Promise<T>, ms: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const over = () => {
        timer.cancel()
        this.#waits.delete(end)
      }
      const end = () => {
        over()
        reject(this.#gaveUp(false))
      }
      const timer = this.#options.env.after(Math.max(0, ms), end)
      this.#waits.add(end)
      promise.then(resolve, reject).finally(over)
      if (this.#closed) end()
    })
  }
}
