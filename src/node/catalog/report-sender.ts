/**
 * Tells every other node what this one leads: every second, and soon after a change. At most one report to a node is under
 * way, so that they arrive in order; what changed meanwhile goes with the next.
 */
import type { Env } from '../../base/env.ts'
import type { NodeId } from '../../base/ids.ts'
import type { ControlClient, LeaderReport } from '../../rpc/control/types.ts'

export interface ReportSenderOptions {
  readonly env: Env
  readonly control: ControlClient
  readonly peers: () => Iterable<NodeId>
  readonly report: () => LeaderReport
}

const EVERY_MS = 1000
const TIMEOUT_MS = 1000

export class ReportSender {
  readonly #options: ReportSenderOptions
  /** Nodes with a report under way; true: another one is wanted after it. */
  readonly #underWay = new Map<NodeId, boolean>()
  #sentMs = Number.NEGATIVE_INFINITY

  constructor(options: ReportSenderOptions) {
    this.#options = options
  }

  /** Called often: sends if it is time to. */
  tick(): void {
    if (this.#options.env.monoMs() - this.#sentMs >= EVERY_MS) this.send()
  }

  send(): void {
    this.#sentMs = this.#options.env.monoMs()
    for (const node of this.#options.peers()) {
      if (this.#underWay.has(node)) this.#underWay.set(node, true)
      else void this.#sendTo(node)
    }
  }

  async #sendTo(node: NodeId): Promise<void> {
    const { control, report } = this.#options
    do {
      this.#underWay.set(node, false)
      try {
        await control.report(node, report(), TIMEOUT_MS)
      } catch {
        // It is told again with the next tick; that it is silent is seen by the reports which it does not send.
        break
      }
    } while (this.#underWay.get(node) === true)
    this.#underWay.delete(node)
  }
}
