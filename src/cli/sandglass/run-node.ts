/**
 * One node in this process: ready line on stdout, logs on stderr, SIGTERM or SIGINT stops it in order, a second signal
 * ends it at once with 130.
 */
import { loadConfig } from '../../node/config/load.ts'
import { startNode } from '../../node/node.ts'
import { createLog } from '../../node/observe/log.ts'
import { StartError } from '../../node/start-error.ts'

const EXIT_SECOND_SIGNAL = 130
/** SIGTERM promises an exit within 10 s; what is not done by then is done by recovery. */
const STOP_MS_MAX = 9_500

export async function runNode(given: { file: string | undefined; flags: Record<string, unknown> }): Promise<void> {
  const { config, warnings } = await loadConfig({ ...given, environment: process.env })
  const log = createLog(config.logLevel, config.name)
  for (const warning of warnings) log.warn('setting_retired', { warning })
  if (process.env.UV_THREADPOOL_SIZE === undefined) {
    log.warn('thread_pool_small', { hint: 'start through bin/sandglass or set UV_THREADPOOL_SIZE=16' })
  }
  let stopping = false
  const stop = (signal: string) => {
    if (stopping) process.exit(EXIT_SECOND_SIGNAL)
    stopping = true
    log.info('stopping', { signal })
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
  const starting = startNode(config, log)
  process.on('SIGTERM', () => stop('SIGTERM'))
  process.on('SIGINT', () => stop('SIGINT'))
  // A node started by `sandglass dev` ends with it, also when that is killed.
  if (process.send !== undefined) process.on('disconnect', () => stop('disconnect'))
  const node = await starting
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
