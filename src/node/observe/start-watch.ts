/** Nothing waits for long without a word: until the node is ready for the first time the log says what it waits for. */
import type { Env, Timer } from '../../base/env.ts'
import type { Log } from './log.ts'
import type { Readiness } from './readiness.ts'

const SAY_EVERY_MS = 5000

/** Ends by itself when the node is ready; `close` ends it before. */
export function sayWaiting(env: Env, log: Log, readiness: Readiness): { close(): void } {
  const begun = env.monoMs()
  let timer: Timer
  const say = () => {
    const seconds = Math.round((env.monoMs() - begun) / 1000)
    log.info('waiting', { for: readiness.reasons(), seconds })
    timer = env.after(SAY_EVERY_MS, say)
  }
  timer = env.after(SAY_EVERY_MS, say)
  const close = () => timer.cancel()
  void readiness.ready().then(close)
  return { close }
}
