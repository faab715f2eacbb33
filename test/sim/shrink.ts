/**
 * Makes a failing plan small: takes away faults as long as the same promise still breaks (Zeller's ddmin), then calms
 * what is left of the noise. A plan that breaks another promise does not count.
 */
import type { Swarm as CoreSwarm } from '../raft/simulation/swarm.ts'
import type { Swarm } from './swarm.ts'

interface Shrinkable<S, E> {
  readonly swarm: S
  readonly events: readonly E[]
}

/** `fails`: whether a plan breaks the promise that it is about. `triesMax` bounds the time it takes. */
export class Shrinker<S, E, P extends Shrinkable<S, E>> {
  readonly #fails: (plan: P) => Promise<boolean>
  readonly #calmer: readonly ((swarm: S) => S)[]
  readonly #triesMax: number
  #tries = 0
  #best: P

  constructor(
    plan: P,
    how: {
      readonly calmer: readonly ((swarm: S) => S)[]
      readonly fails: (plan: P) => Promise<boolean>
      readonly triesMax: number
    },
  ) {
    this.#best = plan
    this.#calmer = how.calmer
    this.#fails = how.fails
    this.#triesMax = how.triesMax
  }

  async run(): Promise<P> {
    await this.#events()
    for (const calmer of this.#calmer) await this.#try({ ...this.#best, swarm: calmer(this.#best.swarm) })
    await this.#events()
    return this.#best
  }

  /** ddmin over the list of faults: chunks go as long as that keeps the failure, then smaller chunks. */
  async #events(): Promise<void> {
    let chunk = Math.ceil(this.#best.events.length / 2)
    while (chunk >= 1 && this.#tries < this.#triesMax) {
      let removed = false
      for (let from = 0; from < this.#best.events.length && this.#tries < this.#triesMax; ) {
        const events = without(this.#best.events, from, chunk)
        if (await this.#try({ ...this.#best, events })) removed = true
        else from += chunk
      }
      if (chunk === 1 && !removed) return
      chunk = removed ? Math.min(chunk, Math.ceil(this.#best.events.length / 2)) : Math.floor(chunk / 2)
    }
  }

  async #try(plan: P): Promise<boolean> {
    this.#tries++
    if (!(await this.#fails(plan))) return false
    this.#best = plan
    return true
  }
}

function without<E>(events: readonly E[], from: number, count: number): E[] {
  return [...events.slice(0, from), ...events.slice(from + count)]
}

export const CALMER: readonly ((swarm: Swarm) => Swarm)[] = [
  (swarm) => ({ ...swarm, partitions: 1 }),
  (swarm) => ({ ...swarm, groups: ['g'] }),
  (swarm) => ({ ...swarm, consumersPerGroup: 1 }),
  (swarm) => ({ ...swarm, clients: { ...swarm.clients, producers: 1 } }),
  (swarm) => ({ ...swarm, network: { ...swarm.network, loss: 0, duplicate: 0, reorder: 0 } }),
  (swarm) => ({ ...swarm, network: { ...swarm.network, jitterMs: 0 } }),
  (swarm) => ({ ...swarm, clients: { ...swarm.clients, loss: 0, nackShare: 0, extendShare: 0, forgetShare: 0 } }),
  (swarm) => ({ ...swarm, disk: { ...swarm.disk, writeMs: 0, stateMs: 0 } }),
]

export const CORE_CALMER: readonly ((swarm: CoreSwarm) => CoreSwarm)[] = [
  (swarm) => ({ ...swarm, nodes: Math.min(swarm.nodes, 3) }),
  (swarm) => ({ ...swarm, loss: 0 }),
  (swarm) => ({ ...swarm, duplicate: 0 }),
  (swarm) => ({ ...swarm, delayMs: 1 }),
  (swarm) => ({ ...swarm, diskMs: 0 }),
  (swarm) => ({ ...swarm, applyMs: 0 }),
  (swarm) => ({ ...swarm, preVote: true, checkQuorum: true }),
]
