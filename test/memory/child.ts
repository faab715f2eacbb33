/** `node --expose-gc --max-old-space-size=N child.ts`: runs every scenario and prints what each kept, a line of JSON each. */
import { BROKER } from './broker.ts'
import { DISPATCH } from './dispatch.ts'
import { RPC } from './rpc.ts'
import type { Measured } from './scenario.ts'
import { STORAGE } from './storage.ts'

async function buffers(): Promise<number> {
  // A buffer is freed in the turn after the collection that found it.
  for (let round = 0; round < 2; round++) {
    globalThis.gc?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return process.memoryUsage().arrayBuffers
}

for (const [name, run] of Object.entries({ ...BROKER, ...DISPATCH, ...STORAGE, ...RPC })) {
  const before = await buffers()
  const kept = [await run()]
  const measured: Measured = { name, bytes: (await buffers()) - before }
  console.log(JSON.stringify(measured))
  // Alive up to here and no further: the next one begins from where this one began.
  kept.length = 0
}

// Servers and clients of the scenarios are still there.
process.exit(0)
