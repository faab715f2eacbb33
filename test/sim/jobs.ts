/** Seeds shared out among threads. What comes of each does not depend on which thread ran it, or on how many there are. */
import { Worker } from 'node:worker_threads'
import type { SeedOutcome, SeedTask } from './seed-task.ts'

/** Of real time; a seed takes a third of a second. One that goes round in a circle cannot be asked where it is. */
const SEED_MS = 120_000

interface JobOptions {
  readonly jobs: number
  /** Longest time for one seed; a thread over it is ended, and the seed has failed. */
  readonly seedMs?: number
  /** What a thread runs. */
  readonly program?: URL
}

/** Hands every outcome to `take`, in no particular order. */
export async function runTasks(
  tasks: readonly SeedTask[],
  { jobs, seedMs = SEED_MS, program = new URL('seed-worker.js', import.meta.url) }: JobOptions,
  take: (outcome: SeedOutcome) => void,
): Promise<void> {
  const rest = tasks.values()
  const workOff = async () => {
    let worker: Worker | undefined
    try {
      for (const task of rest) {
        worker ??= new Worker(program)
        const outcome = await runThere(worker, task, seedMs)
        if (outcome === undefined) {
          await worker.terminate()
          worker = undefined
        }
        take(outcome ?? endless(task, seedMs))
      }
    } finally {
      await worker?.terminate()
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, jobs) }, workOff))
}

/** undefined: it did not end in time. */
function runThere(worker: Worker, task: SeedTask, seedMs: number): Promise<SeedOutcome | undefined> {
  return new Promise((resolve, reject) => {
    const ended = () => {
      clearTimeout(timer)
      worker.off('error', failed).off('message', done)
    }
    const failed = (error: unknown) => {
      ended()
      reject(error)
    }
    const done = (outcome: SeedOutcome | undefined) => {
      ended()
      resolve(outcome)
    }
    const timer = setTimeout(done, seedMs, undefined)
    worker.on('error', failed).on('message', done)
    worker.postMessage(task)
  })
}

function endless({ seed }: SeedTask, seedMs: number): SeedOutcome {
  return { seed, traceHash: 'none', report: `seed ${seed} did not end within ${seedMs} ms of real time` }
}
