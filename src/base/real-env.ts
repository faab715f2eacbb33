/** The real clock, timers and chance of this process: what node/, client/ and cli/ run on. */
import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Env } from './env.ts'

/** setTimeout fires at once beyond this. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1

/**
 * An Env of real time. Timers keep the process alive until they fire or are cancelled. `onThrow` gets what a timer or the
 * end of a turn throws; without it that ends the process, as anything does that nobody catches.
 */
export function realEnv(onThrow?: (error: unknown) => void): Env {
  return {
    wallMs: () => Date.now(),
    monoMs: () => performance.now(),
    random: () => Math.random(),
    randomBytes: (count) => randomBytes(count),
    after: (ms, run) => startTimer(ms, onThrow === undefined ? run : () => guarded(run, onThrow)),
    endOfTurn: (run) => {
      if (onThrow === undefined) setImmediate(run)
      else setImmediate(guarded, run, onThrow)
    },
  }
}

function guarded(run: () => void, onThrow: (error: unknown) => void): void {
  try {
    run()
  } catch (error) {
    onThrow(error)
  }
}

function startTimer(ms: number, run: () => void): { cancel(): void } {
  let left = ms
  let timer: NodeJS.Timeout
  const arm = (): void => {
    const now = Math.min(left, TIMEOUT_MS_MAX)
    left -= now
    timer = setTimeout(() => (left > 0 ? arm() : run()), now)
  }
  arm()
  return { cancel: () => clearTimeout(timer) }
}
