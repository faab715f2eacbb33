/**
 * The one way out of a node for what nobody expected. A reason not to start is told by whoever ends the process; a stack
 * is of use for the rest, and is in the log before anything is closed.
 */
import type { Context } from './context.ts'
import type { Log } from './observe/log.ts'
import type { Health } from './observe/readiness.ts'
import { StartError } from './start-error.ts'

export function wayOut(log: Log, health: Health): Pick<Context, 'fail' | 'failed'> {
  let end: (error: Error) => void = () => undefined
  const failed = new Promise<Error>((resolve) => {
    end = resolve
  })
  const fail = (thrown: unknown) => {
    if (health.failed) return
    health.failed = true
    health.notReady = 'failed'
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    if (!(error instanceof StartError)) log.error('fatal', { error: error.message, stack: error.stack })
    end(error)
  }
  return { failed, fail }
}
