/** What a partition with many groups costs, and a group with many sessions. */
import type { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'
import type { Delivery, SandglassClient } from '../../src/client/index.ts'
import type { Report } from '../report.ts'
import type { Meter } from './metered.ts'
import { scraped } from './scraped.ts'

const GROUPS = 1000
const SESSIONS = 1000
/** Connections: as many processes would have theirs. */
const CLIENTS = 20
const MESSAGES = 2000
const AT_ONCE = 50
const WAIT_MS = 120_000

export async function groupTurns(cluster: Cluster, report: Report, meter: Meter): Promise<void> {
  const client = await cluster.client({ timeoutMs: 30_000 })
  await client.topics.create({ name: 'groups', partitions: 1, replicationFactor: 3 })
  await produce(client, 'groups', 1)
  await meter.turnsOf(report, `${GROUPS} groups begin`, () => visit(client, 'groups'))
  await meter.turnsOf(report, `produce one by one beside ${GROUPS} idle groups`, async () => {
    await produce(client, 'groups', MESSAGES)
    return 'ok'
  })
  await meter.turnsOf(report, `scrapes beside ${GROUPS} groups`, () => scraped(cluster))
  await client.topics.create({ name: 'sessions', partitions: 1, replicationFactor: 3 })
  await produce(client, 'sessions', SESSIONS)
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => cluster.client()))
  const sessions = new Sessions(clients, 'sessions')
  await meter.turnsOf(report, `${SESSIONS} sessions of one group attach`, () => sessions.attach())
  await meter.turnsOf(report, `produce one by one, deliver, acknowledge with ${SESSIONS} sessions`, async () => {
    const settled = sessions.settle(SESSIONS + MESSAGES)
    await produce(client, 'sessions', MESSAGES)
    return settled
  })
  await meter.turnsOf(report, `${SESSIONS} sessions end`, () => sessions.close())
}

async function produce(client: SandglassClient, topic: string, count: number): Promise<void> {
  const producer = client.producer()
  for (let i = 0; i < count; i++) await producer.produce(topic, { value: new Uint8Array(256) })
  await producer.close()
}

/** Every group takes the first message and leaves. */
async function visit(client: SandglassClient, topic: string): Promise<string> {
  let next = 0
  const visitor = async () => {
    while (next < GROUPS) {
      for await (const delivery of client.consumer({ topic, group: `g${next++}`, credit: 1 })) {
        await delivery.ack()
        break
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, visitor))
  return 'ok'
}

/** Consumers of one group. Each holds its first message until all have one, and acknowledges every one at once from then on. */
class Sessions {
  readonly #clients: readonly SandglassClient[]
  readonly #topic: string
  readonly #running: { close(): Promise<void> }[] = []
  readonly #held: Delivery[] = []
  #acked = 0
  #failed: unknown

  constructor(clients: readonly SandglassClient[], topic: string) {
    this.#clients = clients
    this.#topic = topic
  }

  async attach(): Promise<string> {
    for (let i = 0; i < SESSIONS; i++) {
      const client = this.#clients[i % this.#clients.length]
      const consumer = client?.consumer({ topic: this.#topic, group: 'g', name: `c${i}`, credit: 1 })
      if (consumer === undefined) return 'no client'
      this.#running.push(consumer)
      this.#take(consumer).catch((error: unknown) => {
        this.#failed ??= error
      })
    }
    await eventually('every session to hold a message', WAIT_MS, () => this.#held.length >= SESSIONS)
    return 'ok'
  }

  /** Whether every message is acknowledged in the end. */
  async settle(count: number): Promise<string> {
    for (const delivery of this.#held) void this.#ack(delivery)
    await eventually('all to be acknowledged', WAIT_MS, () => this.#acked >= count)
    return this.#failed === undefined ? 'ok' : String(this.#failed)
  }

  async close(): Promise<string> {
    await Promise.all(this.#running.map((consumer) => consumer.close()))
    return 'ok'
  }

  async #take(consumer: AsyncIterable<Delivery>): Promise<void> {
    for await (const delivery of consumer) {
      if (this.#held.length < SESSIONS) this.#held.push(delivery)
      else await this.#ack(delivery)
    }
  }

  async #ack(delivery: Delivery): Promise<void> {
    try {
      await delivery.ack()
      this.#acked += 1
    } catch (error) {
      this.#failed ??= error
    }
  }
}
