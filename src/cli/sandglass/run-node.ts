/** One node in this process: ready line on stdout, logs on stderr, SIGTERM or SIGINT stops it in order. */
import { loadConfig } from '../../node/config/load.ts'
import { type RunningNode, startNode } from '../../node/node.ts'
import { createLog, type Log } from '../../node/observe/log.ts'
import { StartError } from '../../node/start-error.ts'
import type { StopSignals } from './signals.ts'

/** It can no longer be trusted: a broken invariant, a log that cannot be written (EX_SOFTWARE of sysexits). */
const EXIT_FATAL = 70
/** What is not closed by then is done by recovery. */
const FATAL_CLOSE_MS = 2000
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

/** Ends the process: with 0 once a signal stopped the node, with 70 when it failed. Rejects when it cannot start. */
export async function runNode(given: Given, signals: StopSignals): Promise<void> {
  let running: Running | undefined
  let node: RunningNode | undefined
  let stopping = false
  let failed = false
  const stop = (why: string) => {
    if (stopping) return
    stopping = true
    // Nothing has been opened yet.
    if (running === undefined) process.exit(0)
    endInOrder(running, why, () => (failed ? EXIT_FATAL : 0))
  }
  signals.handle(stop)
  // A node started by `sandglass dev`, or by a harness, ends with it, also when that is killed.
  if (process.send !== undefined) {
    process.on('disconnect', () => stop('disconnect'))
    // It may have been gone before this program was loaded.
    if (!process.connected) stop('disconnect')
  }
  const { config, warnings } = await loadConfig({ ...given, environment: process.env })
  const log = createLog(config.logLevel, config.name)
  for (const warning of warnings) log.warn('setting_retired', { warning })
  if (process.env.UV_THREADPOOL_SIZE === undefined) {
    log.warn('thread_pool_small', { hint: 'start through bin/sandglass or set UV_THREADPOOL_SIZE=16' })
  }
  // Nobody reads the ready line any more: no reason to end.
  process.stdout.on('error', (error) => log.warn('stdout_closed', { error: error.message }))
  const catchAll = (error: unknown) => {
    if (node === undefined) endUnstarted(log, error)
    else node.fail(error)
  }
  process.on('uncaughtException', catchAll)
  process.on('unhandledRejection', catchAll)
  running = { log, starting: startNode(config, log) }
  node = await running.starting
  node.ready.then(
    (ready) => {
      if (!stopping) process.stdout.write(`${JSON.stringify({ event: 'ready', ...ready })}\n`)
    },
    // The reason comes through `failed` as well.
    (error: unknown) => log.debug('not_ready', { error: String(error) }),
  )
  const failure = await node.failed
  failed = true
  await closed(node, log)
  // A reason not to start is told as an error by the caller; the other has been logged.
  if (failure instanceof StartError) throw failure
  process.exit(EXIT_FATAL)
}

/** What nobody caught before anything was there to be closed. */
function endUnstarted(log: Log, error: unknown): never {
  const known = error instanceof Error ? error : new Error(String(error))
  log.error('fatal', { error: known.message, stack: known.stack })
  process.exit(EXIT_FATAL)
}

/** A node that failed: ports, files and lock are let go of as far as that takes no time. */
async function closed(node: RunningNode, log: Log): Promise<void> {
  const late = new Promise<void>((resolve) => setTimeout(resolve, FATAL_CLOSE_MS))
  const stopped = node.stop().catch((error: unknown) => log.error('stop_failed', { error: String(error) }))
  await Promise.race([stopped, late])
}

function endInOrder({ log, starting }: Running, why: string, code: () => number): void {
  log.info('stopping', { signal: why })
  setTimeout(() => {
    log.error('stop_timed_out', { afterMs: STOP_MS_MAX })
    process.exit(code())
  }, STOP_MS_MAX).unref()
  starting
    .then((node) => node.stop())
    .then(
      () => process.exit(code()),
      (error: unknown) => {
        log.error('stop_failed', { error: String(error) })
        process.exit(1)
      },
    )
}
