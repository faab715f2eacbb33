/** Bodies of redeliveries that were read and wait to go. */
import { expect, test } from 'vitest'
import type { Consumer } from '../harness.ts'
import { Harness } from '../harness.ts'

const GROUPS = 50
/** Reads that are under way may bring 24 MiB. */
const BOUND = 32 * 1024 * 1024

/** Groups that hold three large messages, to be redelivered when a small one is on its way to each of them. */
async function heldUp(): Promise<{ h: Harness; consumers: readonly Consumer[] }> {
  const h = new Harness({ memory: { lookAheadBytes: BOUND } })
  const consumers = Array.from({ length: GROUPS }, (_, i) => h.consumer('a', { group: `g${i}`, leaseMs: 600_000 }))
  await h.produced(3, { body: new Uint8Array(300_000) })
  await h.time.until(() => consumers.every(({ got }) => got.length === 3))
  await h.produced(1, { delayMs: 2000 })
  for (const { session, held } of consumers) {
    session.nack(
      1,
      held.map((lease) => ({ ...lease, delayMs: 2100, keepPlace: false, reason: '' })),
    )
  }
  await h.time.run(1900)
  h.handle.manual = true
  return { h, consumers }
}

test('what many groups have at hand while deliveries are under way stays within the bound of the node', async () => {
  const { h, consumers } = await heldUp()
  await h.time.run(5000)
  expect(h.memory.lookAhead.bytes).toBeLessThanOrEqual(BOUND)
  h.handle.manual = false
  h.handle.applyNext()
  await h.time.until(() => consumers.every(({ got }) => got.length === 7))
  for (const { indexes } of consumers) expect(indexes).toEqual([1, 2, 3, 4, 1, 2, 3])
  for (const { session } of consumers) session.close(true)
  await h.time.run(10)
  expect(h.memory.lookAhead.bytes).toBe(0)
})
