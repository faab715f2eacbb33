/** One node in this process: ready line on stdout, logs on stderr, SIGTERM or SIGINT stops it in order. */
import { loadConfig } from '../../node/config/load.ts'
import { type RunningNode, startNode } from '../../node/node.ts'
import { createLog, type Log } from '../../node/observe/log.ts'
import { StartError } from '../../node/start-error.ts'
import type { StopSignals } from './signals.ts'

/** SIGTERM promises an exit within 10 s; what is not done by then is done by recovery. */
const STOP_MS_MAX = 9_500

interface Given {
  readonly file: string | undefined
  readonly flags: Record<string, unknown>
}

interface Running {
  readonly log: Log
  readonly starting: Promise<RunningNode>
}

/** Ends the process with 0 once a signal stopped the node. Rejects when it cannot start or cannot go on. */
export async function runNode(given: Given, signals: StopSignals): Promise<void> {
  let running: Running | undefined
  let stopping = false
  const stop = (why: string) => {
    if (stopping) return
    stopping = true
    // Nothing has been opened yet.
    if (running === undefined) process.exit(0)
    endInOrder(running, why)
  }
  signals.handle(stop)
  // A node started by `sandglass dev` ends with it, also when that is killed.
  if (process.send !== undefined) process.on('disconnect', () => stop('disconnect'))
  const { config, warnings } = await loadConfig({ ...given, environment: process.env })
  const log = createLog(config.logLevel, config.name)
  for (const warning of warnings) log.warn('setting_retired', { warning })
  if (process.env.UV_THREADPOOL_SIZE === undefined) {
    log.warn('thread_pool_small', { hint: 'start through bin/sandglass or set UV_THREADPOOL_SIZE=16' })
  }
  // Nobody reads the ready line any more: no reason to end.
  process.stdout.on('error', (error) => log.warn('stdout_closed', { error: error.message }))
  running = { log, starting: startNode(config, log) }
  const node = await running.starting
  node.ready.then(
    (ready) => {
      if (!stopping) process.stdout.write(`${JSON.stringify({ event: 'ready', ...ready })}\n`)
    },
    // The reason comes through `failed` as well.
    (error: unknown) => log.debug('not_ready', { error: String(error) }),
  )
  const failure = await node.failed
  // A reason not to start is told as an error by the caller; a stack is of use only for what nobody expected.
  if (!(failure instanceof StartError)) log.error('node_failed', { error: failure.message, stack: failure.stack })
  throw failure
}

function endInOrder({ log, starting }: Running, why: string): void {
  log.info('stopping', { signal: why })
  setTimeout(() => {
    log.error('stop_timed_out', { afterMs: STOP_MS_MAX })
    process.exit(0)
  }, STOP_MS_MAX).unref()
  starting
    .then((node) => node.stop())
    .then(
      () => process.exit(0),
      (error: unknown) => {
        log.error('stop_failed', { error: String(error) })
        process.exit(1)
      },
    )
}
