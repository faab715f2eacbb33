/**
 * Makes a failing plan small: takes away faults as long as the same promise still breaks (Zeller's ddmin), then calms
 * what is left of the noise. A plan that breaks another promise does not count.
 */
import type { FaultEvent } from './fault-events.ts'
import { type Plan, runPlan } from './run-seed.ts'
import type { Swarm } from './swarm.ts'

/** Tries in all: bounds the time it takes. */
const TRIES_MAX = 250

export class Shrinker {
  readonly #kind: string
  #tries = 0
  #best: Plan

  constructor(plan: Plan, kind: string) {
    this.#best = plan
    this.#kind = kind
  }

  async run(): Promise<Plan> {
    await this.#events()
    for (const calmer of CALMER) await this.#try({ ...this.#best, swarm: calmer(this.#best.swarm) })
    await this.#events()
    return this.#best
  }

  /** ddmin over the list of faults: chunks go as long as that keeps the failure, then smaller chunks. */
  async #events(): Promise<void> {
    let chunk = Math.ceil(this.#best.events.length / 2)
    while (chunk >= 1 && this.#tries < TRIES_MAX) {
      let removed = false
      for (let from = 0; from < this.#best.events.length && this.#tries < TRIES_MAX; ) {
        const events = without(this.#best.events, from, chunk)
        if (await this.#try({ ...this.#best, events })) removed = true
        else from += chunk
      }
      if (chunk === 1 && !removed) return
      chunk = removed ? Math.min(chunk, Math.ceil(this.#best.events.length / 2)) : Math.floor(chunk / 2)
    }
  }

  async #try(plan: Plan): Promise<boolean> {
    this.#tries++
    const { finding } = await runPlan(plan)
    if (finding?.kind !== this.#kind) return false
    this.#best = plan
    return true
  }
}

function without(events: readonly FaultEvent[], from: number, count: number): FaultEvent[] {
  return [...events.slice(0, from), ...events.slice(from + count)]
}

const CALMER: readonly ((swarm: Swarm) => Swarm)[] = [
  (swarm) => ({ ...swarm, partitions: 1 }),
  (swarm) => ({ ...swarm, groups: ['g'] }),
  (swarm) => ({ ...swarm, consumersPerGroup: 1 }),
  (swarm) => ({ ...swarm, clients: { ...swarm.clients, producers: 1 } }),
  (swarm) => ({ ...swarm, network: { ...swarm.network, loss: 0, duplicate: 0, reorder: 0 } }),
  (swarm) => ({ ...swarm, network: { ...swarm.network, jitterMs: 0 } }),
  (swarm) => ({ ...swarm, clients: { ...swarm.clients, loss: 0, nackShare: 0, extendShare: 0, forgetShare: 0 } }),
  (swarm) => ({ ...swarm, disk: { ...swarm.disk, writeMs: 0, stateMs: 0 } }),
]
