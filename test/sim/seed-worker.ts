/** A thread that runs seeds, one after the other, as it is handed them. */
import { parentPort } from 'node:worker_threads'
import { runTask, type SeedTask } from './seed-task.ts'

const port = parentPort
port?.on('message', async (task: SeedTask) => port.postMessage(await runTask(task)))
