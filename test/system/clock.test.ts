/** A leader whose wall clock is set back an hour while it works (libfaketime; the monotonic clock stays true). */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Cluster } from '../../chaos/harness/cluster.ts'
import { within } from '../../chaos/harness/deadline.ts'
import type { Delivery, SandglassClient } from '../../src/client/index.ts'

const LIBRARIES = ['x86_64-linux-gnu', 'aarch64-linux-gnu'].map((arch) => `/usr/lib/${arch}/faketime/libfaketime.so.1`)
const HOUR_BACK = '-3600\n'

let folder = ''
let cluster: Cluster | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandglass-clock-'))
})
afterEach(async () => {
  await cluster?.destroy()
  cluster = undefined
  rmSync(folder, { recursive: true, force: true })
})

function clockFile(node: string): string {
  return join(folder, node)
}

async function started(nodes: number): Promise<Cluster> {
  const library = LIBRARIES.find((path) => existsSync(path))
  if (library === undefined) throw new Error('libfaketime is not installed (Debian package libfaketime)')
  const names = Array.from({ length: nodes }, (_, i) => `n${i + 1}`)
  for (const name of names) writeFileSync(clockFile(name), '+0\n')
  const only = Object.fromEntries(
    names.map((name) => [
      name,
      {
        env: {
          LD_PRELOAD: library,
          FAKETIME_TIMESTAMP_FILE: clockFile(name),
          FAKETIME_NO_CACHE: '1',
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
          FAKETIME_DONT_RESET: '1',
        },
      },
    ]),
  )
  cluster = await Cluster.create({ nodes, only })
  await cluster.start()
  return cluster
}

async function consumer(client: SandglassClient, leaseMs: number): Promise<(ms: number) => Promise<Delivery>> {
  const iterator = client.consumer({ topic: 'work', group: 'g', leaseMs })[Symbol.asyncIterator]()
  return async (ms) => {
    const next = await within('delivery', ms, iterator.next())
    if (next.done === true) throw new Error('consumer ended')
    return next.value
  }
}

describe.each([1, 3])('on %i node(s), with the leader’s clock set back an hour', (nodes) => {
  test('delays and leases go on as if nothing had happened', async () => {
    const running = await started(nodes)
    const client = await running.client()
    await client.topics.create({ name: 'work', partitions: 1, replicationFactor: nodes })
    const leader = await running.leader(client, 'work', 0)
    const next = await consumer(client, 3000)
    const producer = client.producer()
    const before = performance.now()
    await producer.produce('work', { value: 'delayed', delayMs: 6000 })
    await producer.produce('work', { value: 'held' })
    const held = await next(5000)
    expect(new TextDecoder().decode(held.value)).toBe('held')
    const heldAt = performance.now()
    writeFileSync(clockFile(leader), HOUR_BACK)
    // Its lease of 3 s ends, not earlier and not an hour later.
    const again = await next(10_000)
    expect(again.deliveryCount).toBe(2)
    expect(performance.now() - heldAt).toBeGreaterThanOrEqual(3000 - 50)
    await again.ack()
    // A delay begun before the step, and one begun after it.
    const delayed = await next(10_000)
    expect(performance.now() - before).toBeGreaterThanOrEqual(6000 - 50)
    await delayed.ack()
    const after = performance.now()
    await producer.produce('work', { value: 'after', delayMs: 2000 })
    await next(10_000)
    expect(performance.now() - after).toBeGreaterThanOrEqual(2000 - 50)
  })
})
