/** What the parts of one node share while it is put together and taken apart. */
import type { Env } from '../base/env.ts'
import type { NodeConfig } from './config/schema.ts'
import type { Log } from './observe/log.ts'
import type { Metrics } from './observe/metrics/metrics.ts'
import type { Health, Readiness } from './observe/readiness.ts'
import { StartError } from './start-error.ts'

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
  readonly fail: (error: Error) => void
}

/** A port that cannot be opened is a reason not to start, told by the setting that names it. */
export async function listening<T>(what: string, opening: Promise<T>): Promise<T> {
  try {
    return await opening
  } catch (error) {
    throw new StartError('PORT_IN_USE', `Cannot listen on ${what}: ${reasonOf(error)}`, error)
  }
}

/** grpc-js wraps what the system said into words of its own: `... resolved errors: [listen EADDRINUSE: ...]`. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return /errors: \[(.+)\]$/s.exec(text)?.[1] ?? text
}
