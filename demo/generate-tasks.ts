/**
 * Writes demo/tasks.jsonl: 20,000 tasks of varied kind and size, a third delayed by 1 to 20 s, some keyed. Seeded, so
 * that the file can be made again byte for byte: node dist/demo/generate-tasks.js > demo/tasks.jsonl
 */
import { createHash } from 'node:crypto'

const TASKS = 20_000
const SEED = 'sandglass demo 1'
const KINDS = ['email', 'invoice', 'thumbnail', 'webhook', 'reminder', 'report', 'cleanup', 'retry'] as const
const CITIES = ['Oslo', 'Lima', 'Pune', 'Kyoto', 'Accra', 'Quito', 'Turin', 'Perth'] as const
const DELAY_MS_MIN = 1000
const DELAY_MS_MAX = 20_000
const NOTE_CHARS_MAX = 600

/** Uniform in [0, 1), the same for the same task and use. */
function chance(task: number, use: string): number {
  return createHash('sha256').update(`${SEED}/${task}/${use}`).digest().readUInt32BE(0) / 2 ** 32
}

function pick<T>(from: readonly T[], roll: number): T | undefined {
  return from[Math.floor(roll * from.length)]
}

function task(id: number): object {
  const kind = pick(KINDS, chance(id, 'kind'))
  const customer = Math.floor(chance(id, 'customer') ** 2 * 500)
  // Most notes are short and a few are long, as in real payloads.
  const noteChars = Math.floor(chance(id, 'size') ** 4 * NOTE_CHARS_MAX)
  const note = createHash('sha512').update(`${SEED}/${id}/note`).digest('base64').repeat(8).slice(0, noteChars)
  const delayMs = Math.floor(DELAY_MS_MIN + chance(id, 'delay') * (DELAY_MS_MAX - DELAY_MS_MIN))
  return {
    task: id,
    value: { task: id, kind, customer, city: pick(CITIES, chance(id, 'city')), note },
    ...(chance(id, 'delayed') < 1 / 3 ? { delayMs } : {}),
    ...(chance(id, 'keyed') < 1 / 4 ? { key: `customer-${customer}` } : {}),
  }
}

for (let id = 0; id < TASKS; id += 1) process.stdout.write(`${JSON.stringify(task(id))}\n`)
