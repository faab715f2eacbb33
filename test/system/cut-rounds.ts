/**
 * Rounds of losing nodes at full load: some are killed, some lose their power as well, at a moment nobody chose; then all
 * come back and the round's books must balance, read from one node that leads. What the rounds share is one cluster, so
 * that folders grow old: segments, checkpoints and snapshots of one round are what the next one recovers from.
 */
import { Cluster } from '../../chaos/harness/cluster.ts'
import { Ledger, type Summary } from '../../chaos/harness/ledger.ts'
import type { NodeProcess } from '../../chaos/harness/node-process.ts'
import type { SandglassClient } from '../../src/client/index.ts'
import { booksLedBy } from './led-books.ts'
import { ShimmedCluster } from './shimmed-cluster.ts'
import { verify } from './verify.ts'

/** Small ones, so that a round seals and releases segments. */
const FLAGS = { wal_retain_bytes: '16MiB' }
const CALLERS = 256
const BULK_CALLERS = 8
const BULK_BYTES = 16 * 1024
const LOAD_MIN = 500
const LOAD_SPREAD = 1500
const AFTER = 200
const MORE_MS = 60_000

type Blow = 'kill' | 'cut'
/** What happens to how many; who they are is drawn. The full cut is what nothing can make good. */
const PLANS: readonly (readonly Blow[])[] = [
  ['cut', 'cut', 'cut'],
  ['cut', 'cut', 'cut'],
  ['cut', 'cut', 'cut'],
  ['cut', 'kill', 'cut'],
  ['cut', 'cut'],
  ['kill', 'kill', 'kill'],
  ['cut'],
  ['kill'],
]

export interface Round {
  readonly round: number
  readonly blows: Readonly<Record<string, Blow>>
  /** Bytes that the power took. */
  readonly lostBytes: number
  /** From starting those that were hit until all are ready. */
  readonly readyMs: number
  readonly booksOf: string
  readonly books: Summary
}

export class CutRounds {
  readonly #power: ShimmedCluster
  readonly #client: SandglassClient
  readonly #random: () => number

  private constructor(power: ShimmedCluster, client: SandglassClient, random: () => number) {
    this.#power = power
    this.#client = client
    this.#random = random
  }

  /** `random` draws who is hit and when. */
  static async start(library: string, random: () => number): Promise<CutRounds> {
    const cluster = await Cluster.create({ flags: FLAGS })
    const power = new ShimmedCluster(cluster, library)
    try {
      await power.start()
      return new CutRounds(power, await cluster.client({ timeoutMs: 5000 }), random)
    } catch (error) {
      await cluster.destroy()
      throw error
    }
  }

  /** Rejects when the books do not balance, or a folder is damaged by what it went through. */
  async run(round: number): Promise<Round> {
    const client = this.#client
    const { cluster } = this.#power
    const topic = `work-${round}`
    const bulk = `bulk-${round}`
    for (const name of [topic, bulk]) await client.topics.create({ name, partitions: 1, replicationFactor: 3 })
    const ledger = new Ledger({ client, topic, callers: CALLERS })
    const padding = new Bulk(client, bulk)
    await ledger.more(LOAD_MIN + Math.floor(this.#random() * LOAD_SPREAD), MORE_MS)
    const { blows, lostBytes } = await this.#strike()
    const startedMs = performance.now()
    await this.#power.start()
    const readyMs = Math.round(performance.now() - startedMs)
    await ledger.more(AFTER, MORE_MS)
    await Promise.all([ledger.stop(), padding.stop()])
    const booksOf = this.#drawn(cluster.nodes).name
    const books = await booksLedBy(booksOf, { cluster, client, ledger, topic })
    if (books.lost > 0 || books.wrong.length > 0) {
      throw new Error(`round ${round}: the books of ${booksOf} do not balance: ${JSON.stringify(books)}`)
    }
    for (const name of [topic, bulk]) await client.topics.delete(name)
    return { round, blows, lostBytes, readyMs, booksOf, books }
  }

  async close(): Promise<void> {
    await this.#power.cluster.destroy()
  }

  /** All at once; what they leave is sound before they start again. */
  async #strike(): Promise<Pick<Round, 'blows' | 'lostBytes'>> {
    const plan = this.#drawn(PLANS)
    const hit = this.#shuffled(this.#power.cluster.nodes).slice(0, plan.length)
    const cut = hit.filter((_, i) => plan[i] === 'cut')
    const killed = hit.filter((_, i) => plan[i] === 'kill')
    const [lostBytes] = await Promise.all([this.#power.cut(cut), this.#power.kill(killed)])
    for (const node of hit) {
      const { status, output } = verify(this.#power.data(node))
      if (status !== 0) throw new Error(`${node.name} is damaged after the loss of its power: ${output}`)
    }
    return { blows: Object.fromEntries(hit.map(({ name }, i) => [name, plan[i] ?? 'kill'])), lostBytes }
  }

  #drawn<T>(from: readonly T[]): T {
    const one = from[Math.floor(this.#random() * from.length)]
    if (one === undefined) throw new Error('nothing to draw from')
    return one
  }

  #shuffled(nodes: readonly NodeProcess[]): NodeProcess[] {
    return nodes
      .map((node) => ({ node, at: this.#random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ node }) => node)
  }
}

/** Large messages in a topic of their own: segments and checkpoints fill while the books are kept on small ones. */
class Bulk {
  #running = true
  readonly #callers: Promise<unknown>

  constructor(client: SandglassClient, topic: string) {
    const value = new Uint8Array(BULK_BYTES).fill(98)
    const call = async () => {
      const producer = client.producer()
      // What becomes of a single one is nobody's business.
      while (this.#running) await producer.produce(topic, { value }).catch(pause)
      await producer.close()
    }
    this.#callers = Promise.all(Array.from({ length: BULK_CALLERS }, call))
    this.#callers.catch(() => 'asked for in stop()')
  }

  async stop(): Promise<void> {
    this.#running = false
    await this.#callers
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50))
}
