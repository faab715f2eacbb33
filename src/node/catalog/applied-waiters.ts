/** Waits until this node's replica of the catalog has applied an index. Bounded; every wait ends at its time, or with the node. */
import type { Env } from '../../base/env.ts'
import { SandglassError } from '../../base/errors.ts'
import type { CatalogHandle } from './catalog-handle.ts'

interface Waiter {
  readonly index: number
  done(): void
  failed(error: SandglassError): void
}

const WAITERS_MAX = 10_000

export class AppliedWaiters {
  readonly #env: Env
  readonly #catalog: CatalogHandle
  readonly #waiters = new Set<Waiter>()
  #closed = false

  constructor(env: Env, catalog: CatalogHandle) {
    this.#env = env
    this.#catalog = catalog
    catalog.observe({
      status: () => undefined,
      applied: (_effects, _at, index) => this.#wake(index),
      reloaded: () => this.#wake(catalog.status().applied),
    })
  }

  /** Ends every wait, and each that would begin. */
  close(): void {
    this.#closed = true
    for (const waiter of this.#waiters) waiter.failed(closing())
  }

  /** Resolves when `index` is applied; rejects with NO_QUORUM after `timeoutMs`, with SHUTTING_DOWN when the node closes. */
  reach(index: number, timeoutMs: number): Promise<void> {
    if (this.#closed) return Promise.reject(closing())
    if (this.#catalog.status().applied >= index) return Promise.resolve()
    if (this.#waiters.size >= WAITERS_MAX) {
      return Promise.reject(new SandglassError('OVERLOADED', 'Cannot wait for the catalog: too many do'))
    }
    return new Promise((resolve, reject) => {
      const timer = this.#env.after(Math.max(0, timeoutMs), () => {
        waiter.failed(new SandglassError('NO_QUORUM', `Cannot read the catalog: entry ${index} has not come here`))
      })
      const waiter: Waiter = {
        index,
        done: () => {
          timer.cancel()
          resolve()
        },
        failed: (error) => {
          timer.cancel()
          this.#waiters.delete(waiter)
          reject(error)
        },
      }
      this.#waiters.add(waiter)
    })
  }

  #wake(applied: number): void {
    for (const waiter of this.#waiters) {
      if (waiter.index > applied) continue
      this.#waiters.delete(waiter)
      waiter.done()
    }
  }
}

function closing(): SandglassError {
  return new SandglassError('SHUTTING_DOWN', 'Cannot wait for the catalog: the node shuts down')
}
