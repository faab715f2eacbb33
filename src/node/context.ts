/** What the parts of one node share while it is put together and taken apart. */
import type { Env } from '../base/env.ts'
import type { NodeConfig } from './config/schema.ts'
import type { Log } from './observe/log.ts'
import type { Metrics } from './observe/metrics/metrics.ts'
import type { Health, Readiness } from './observe/readiness.ts'

/** Everything that is closed, the last opened first. */
export class Closers {
  readonly #closers: (() => Promise<void> | void)[] = []

  push(close: () => Promise<void> | void): void {
    this.#closers.push(close)
  }

  /** Goes on past a failure, then throws the first. */
  async run(): Promise<void> {
    const errors: unknown[] = []
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) {
      try {
        await close()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}

export interface Context {
  readonly config: NodeConfig
  readonly log: Log
  readonly env: Env
  readonly metrics: Metrics
  readonly health: Health
  readonly readiness: Readiness
  readonly closers: Closers
  /** The one way out for what nobody expected; only the first reason counts. */
  readonly fail: (error: unknown) => void
  /** Resolves with that reason. */
  readonly failed: Promise<Error>
}
