import { expect, test } from 'vitest'
import { runTasks } from './jobs.ts'
import type { SeedOutcome, SeedTask } from './seed-task.ts'

/** A thread that never comes back from seed 2. */
const PROGRAM = `
  import { parentPort } from 'node:worker_threads'
  parentPort.on('message', ({ seed }) => {
    while (seed === 2);
    parentPort.postMessage({ seed, traceHash: 'hash of ' + seed })
  })`

test.each([1, 2])('a seed that does not end has failed, and the others are run, by %i threads', async (jobs) => {
  const tasks: SeedTask[] = [1, 2, 3, 4].map((seed) => ({ seed, core: false }))
  const outcomes: SeedOutcome[] = []
  const program = new URL(`data:text/javascript,${encodeURIComponent(PROGRAM)}`)
  await runTasks(tasks, { jobs, seedMs: 500, program }, (outcome) => outcomes.push(outcome))
  expect(outcomes.sort((a, b) => a.seed - b.seed).map(({ seed, report }) => [seed, report])).toEqual([
    [1, undefined],
    [2, 'seed 2 did not end within 500 ms of real time'],
    [3, undefined],
    [4, undefined],
  ])
})
