/** Seeds shared out among threads. What comes of each does not depend on which thread ran it, or on how many there are. */
import { Worker } from 'node:worker_threads'
import { runTask, type SeedOutcome, type SeedTask } from './seed-task.ts'

/** Hands every outcome to `take`, in no particular order. */
export async function runTasks(
  tasks: readonly SeedTask[],
  jobs: number,
  take: (outcome: SeedOutcome) => void,
): Promise<void> {
  const rest = tasks.values()
  if (jobs <= 1) {
    for (const task of rest) take(await runTask(task))
    return
  }
  const workers = Array.from({ length: jobs }, () => new Worker(new URL('seed-worker.js', import.meta.url)))
  await Promise.all(workers.map((worker) => workOff(worker, rest, take)))
}

/** One task at a time until none is left. */
async function workOff(worker: Worker, rest: Iterator<SeedTask>, take: (outcome: SeedOutcome) => void): Promise<void> {
  try {
    for (let next = rest.next(); next.done !== true; next = rest.next()) take(await runThere(worker, next.value))
  } finally {
    await worker.terminate()
  }
}

function runThere(worker: Worker, task: SeedTask): Promise<SeedOutcome> {
  return new Promise((resolve, reject) => {
    const failed = (error: unknown) => reject(error)
    worker.once('error', failed)
    worker.once('message', (outcome: SeedOutcome) => {
      worker.off('error', failed)
      resolve(outcome)
    })
    worker.postMessage(task)
  })
}
