/** Due times, leases and consumers on a real cluster, mostly through sandctl as a user has it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually, within } from '../../chaos/harness/deadline.ts'
import { sandctl, sandctlLines, startSandctl } from '../../chaos/harness/sandctl.ts'
import type { Delivery } from '../../src/client/index.ts'

let cluster: Cluster
const addrs = () => cluster.addrs().join(',')

beforeAll(async () => {
  cluster = await Cluster.create()
  await cluster.start()
})
afterAll(() => cluster.destroy())

async function topic(name: string, partitions = 1): Promise<string> {
  const client = await cluster.client()
  await client.topics.create({ name, partitions, replicationFactor: 3 })
  return name
}

/** Deliveries of a group as they come; `next` has a deadline. */
async function consumer(
  name: string,
  group: string,
  options: { leaseMs?: number; consumer?: string; credit?: number } = {},
) {
  const client = await cluster.client()
  const { leaseMs, credit } = options
  const iterator = client
    .consumer({
      topic: name,
      group,
      ...(options.consumer === undefined ? {} : { name: options.consumer }),
      ...(leaseMs === undefined ? {} : { leaseMs }),
      ...(credit === undefined ? {} : { credit }),
    })
    [Symbol.asyncIterator]()
  const next = async (ms: number): Promise<Delivery> => {
    const result = await within('delivery', ms, iterator.next())
    if (result.done === true) throw new Error('consumer ended')
    return result.value
  }
  return { client, iterator, next, close: () => client.close() }
}

describe('due times', () => {
  test('a message due in 12 s comes 0 to 250 ms after it is due, and once acknowledged not again within 60 s', async () => {
    const name = await topic('later')
    const [stored] = await sandctlLines(['-s', addrs(), '-o', 'jsonl', 'produce', name, 'hello', '--delay', '12s'])
    const mine = await consumer(name, 'g')
    const delivery = await mine.next(20_000)
    const lateMs = Date.now() - Number(stored?.dueMs)
    expect(delivery.dueMs).toBe(stored?.dueMs)
    expect(lateMs).toBeGreaterThanOrEqual(0)
    expect(lateMs).toBeLessThanOrEqual(250)
    await delivery.ack()
    await expect(mine.next(60_000)).rejects.toThrow('not within')
    await mine.close()
  })

  test('a producer whose clock is an hour behind and that uses a delay is on time', async () => {
    const name = await topic('behind')
    const producedAt = Date.now()
    // The client sends the delay itself, not a time: whatever its clock says cannot matter.
    const client = await cluster.client()
    const wall = Date.now
    Date.now = () => wall() - 3_600_000
    const stored = await client.producer().produce(name, { value: 'x', delayMs: 3000 })
    Date.now = wall
    expect(stored.dueMs - producedAt).toBeGreaterThanOrEqual(3000 - 5)
    const mine = await consumer(name, 'g')
    const delivery = await mine.next(10_000)
    const lateMs = Date.now() - delivery.dueMs
    expect(lateMs).toBeGreaterThanOrEqual(0)
    expect(lateMs).toBeLessThanOrEqual(250)
    await mine.close()
  })
})

describe('leases', () => {
  test('a message not acknowledged comes again when its lease of 2 s has run out', async () => {
    const name = await topic('lease')
    await sandctlLines(['-s', addrs(), '-o', 'jsonl', 'produce', name, 'again'])
    const args = [
      '-s',
      addrs(),
      '--timeout',
      '20s',
      '-o',
      'jsonl',
      'consume',
      '-f',
      name,
      '--lease',
      '2s',
      '--no-ack',
      '--limit',
      '2',
    ]
    const [first, second] = await sandctlLines(args)
    expect([first?.deliveryCount, second?.deliveryCount]).toEqual([1, 2])
    const gapMs = Number(second?.deliveredMs) - Number(first?.deliveredMs)
    expect(gapMs).toBeGreaterThanOrEqual(2000)
    expect(gapMs).toBeLessThanOrEqual(3000)
  })

  test('what a killed consumer held comes to another one, once', async () => {
    const name = await topic('killed')
    await sandctl(['-s', addrs(), 'produce', name, 'x', '-n', '500'])
    const args = ['-s', addrs(), '-o', 'jsonl', 'consume', '-f', name, '--group', 'g', '--no-ack', '--lease', '30s']
    const doomed = startSandctl(args)
    const client = await cluster.client()
    await eventually('the consumer holds messages', 10_000, async () => {
      const [group] = await sandctlLines(['-s', addrs(), '-o', 'json', 'groups', 'describe', name, 'g'])
      const partitions = group?.partitions as { leased: number }[]
      return partitions.some((p) => p.leased > 0)
    })
    doomed.kill('SIGKILL')
    const mine = await consumer(name, 'g')
    const counts = new Map<string, number>()
    while (counts.size < 500) {
      const delivery = await mine.next(20_000)
      counts.set(delivery.offset, (counts.get(delivery.offset) ?? 0) + 1)
      await delivery.ack()
    }
    expect([...counts.values()].every((count) => count === 1)).toBe(true)
    await client.close()
    await mine.close()
  })

  test('four equal consumers get 25 ± 3 % each', async () => {
    const name = await topic('fair')
    const total = 8000
    const names = ['a', 'b', 'c', 'd']
    const got = new Map(names.map((n) => [n, 0]))
    const all = await Promise.all(names.map((n) => consumer(name, 'g', { consumer: n, credit: 50 })))
    let seen = 0
    const done = Promise.all(
      all.map(async (one, i) => {
        while (seen < total) {
          const next = await one.iterator.next()
          if (next.done === true) return
          seen += 1
          got.set(names[i] ?? '', (got.get(names[i] ?? '') ?? 0) + 1)
          await next.value.ack()
          if (seen === total) for (const other of all) void other.close()
        }
      }),
    )
    await sandctl(['-s', addrs(), 'produce', name, 'x', '-n', String(total)])
    await within('all delivered', 60_000, done)
    for (const count of got.values()) expect(Math.abs(count / total - 0.25)).toBeLessThanOrEqual(0.03)
  })
})

describe('sandctl', () => {
  test('produces 100,000 messages of 100 bytes, and a fresh group counts them all', async () => {
    const name = await topic('many', 3)
    const value = 'x'.repeat(100)
    const [result] = await sandctlLines(['-s', addrs(), '-o', 'json', 'produce', name, value, '-n', '100000'])
    expect(result).toMatchObject({ topic: name, produced: 100_000, failed: 0, unknown: 0 })
    expect(Number(result?.elapsedMs)).toBeGreaterThan(0)
    const lines = await sandctlLines([
      '-s',
      addrs(),
      '-o',
      'jsonl',
      '--timeout',
      '60s',
      'consume',
      name,
      '--group',
      'fresh',
    ])
    expect(new Set(lines.map((line) => line.offset)).size).toBe(100_000)
  })

  test('plays the quick start: produce, consume, follow, and a second consume prints nothing', async () => {
    const create = ['topics', 'create', 'emails', '--num_partitions', '3', '--replication_factor', '1']
    expect((await sandctl(['-s', addrs(), ...create])).code).toBe(0)
    const payload = '{"dest" : "hi@example.com"}'
    expect((await sandctl(['-s', addrs(), 'produce', 'emails', payload, '-n', '10000'])).code).toBe(0)
    const consumed = await sandctl(['-s', addrs(), 'consume', 'emails'])
    expect(consumed.stdout.split('\n').filter((line) => line === payload)).toHaveLength(10_000)
    const follower = startSandctl(['-s', addrs(), 'consume', '-f', 'emails', '--limit', '1'])
    expect((await sandctl(['-s', addrs(), 'produce', 'emails', 'one more'])).code).toBe(0)
    expect((await within('the follower prints it', 10_000, follower.ended)).stdout).toBe('one more\n')
    const again = await sandctl(['-s', addrs(), 'consume', 'emails'])
    expect(again).toMatchObject({ code: 0, stdout: '' })
  })
})

describe('limits', () => {
  test('messages of 1 MiB, the longest there are, go through a cluster', async () => {
    const name = await topic('long')
    const client = await cluster.client()
    const producer = client.producer()
    const value = 'x'.repeat(1024 * 1024)
    await Promise.all(Array.from({ length: 6 }, () => producer.produce(name, { value, key: 'k' })))
    const mine = await consumer(name, 'g')
    for (let n = 0; n < 6; n++) {
      const delivery = await mine.next(10_000)
      expect(delivery.value.length).toBe(value.length)
      await delivery.ack()
    }
    await mine.close()
  })
})
