/**
 * Damage on a live cluster: under load one node is killed, its folder is damaged at one place, and it is started again.
 * The others go on. A node whose log was damaged says so, is without the replicas concerned, and says it again after
 * another start; damaged state heals, is sound on the disk afterwards, and serves the books. Nothing acknowledged is lost.
 */
import { eventually } from '../../chaos/harness/deadline.ts'
import { Ledger } from '../../chaos/harness/ledger.ts'
import type { NodeProcess } from '../../chaos/harness/node-process.ts'
import { statusOf } from '../../chaos/harness/status.ts'
import { CATALOG_GROUP } from '../../src/base/ids.ts'
import { SandglassError } from '../../src/client/index.ts'
import { type Damage, verifyData } from '../../src/node/examine.ts'
import { booksLedBy, caughtUp } from '../system/led-books.ts'
import { nameOf } from './case.ts'
import { LiveCluster, OLD } from './live-cluster.ts'
import { samplesOf } from './live-node.ts'
import { damageSomewhere, type Part } from './live-place.ts'

export interface LiveOutcome {
  readonly name: string
  /** quarantined: it runs without some replicas; refused: without its catalog it does not start; healed: by a snapshot. */
  readonly verdict: 'quarantined' | 'refused' | 'healed'
  /** Installed on the node since its folder was damaged. */
  readonly snapshots: number
  /** Messages whose books balance. */
  readonly acked: number
}

const LOAD = { callers: 4, pauseMs: 20 }
const BEFORE = 100
/** Fills two segments of the log, and parts of others. */
const BULK = { callers: 8, valueBytes: 64 * 1024 }
const BULK_MESSAGES = 200
const MEANWHILE = 50
const MORE_MS = 30_000
const SAID_MS = 15_000
const HEALED_MS = 60_000
const TRIES = 5

export class LiveRun {
  readonly #live: LiveCluster
  /** A node has lost replicas for good. */
  #spent = false
  #topics = 0

  private constructor(live: LiveCluster) {
    this.#live = live
  }

  static async begin(): Promise<LiveRun> {
    return new LiveRun(await LiveCluster.begin())
  }

  end(): Promise<void> {
    return this.#live.end()
  }

  /** Damages `part` of a node; rejects with what is not as it must be. */
  async case(part: Part, random: () => number): Promise<LiveOutcome> {
    if (this.#spent) await this.#live.restore()
    // Whatever goes wrong below, the next case begins anew.
    this.#spent = true
    const work = await this.#open(LOAD)
    const { ledger } = work
    const all = [{ topic: OLD, ledger: this.#live.old }, work]
    try {
      const { node, damage } = await this.#strike(part, all, random)
      const { damage: found } = await verifyData(this.#live.data(node))
      if (found.length === 0) throw new Error(`verify finds nothing: ${node.name}: ${nameOf(damage)}`)
      const before = node.said('snapshot_installed')
      await ledger.more(MEANWHILE, MORE_MS)
      const name = `${node.name}: ${nameOf(damage)}`
      const verdict = await this.#comesBack(node, found).catch((error: unknown) => {
        throw new Error(`${name}: ${error instanceof Error ? error.message : error}\n${node.log()}`)
      })
      await ledger.more(MEANWHILE, MORE_MS)
      await ledger.stop()
      if (verdict === 'quarantined') await this.#hasNoSay(node)
      const healed = verdict === 'healed'
      await this.#settle(all, healed ? node : undefined)
      this.#spent = !healed
      const acked = all.reduce((sum, one) => sum + one.ledger.acked.size, 0)
      return { name, verdict, snapshots: node.said('snapshot_installed') - before, acked }
    } finally {
      await ledger.stop()
    }
  }

  /** Messages of a topic of their own. */
  async #open(load: {
    readonly callers: number
    readonly pauseMs?: number
    readonly valueBytes?: number
  }): Promise<Book> {
    const { client } = this.#live
    const topic = `work-${++this.#topics}`
    await client.topics.create({ name: topic, partitions: 1, replicationFactor: 3 })
    return { topic, ledger: new Ledger({ ...load, client, topic }) }
  }

  /** Kills a node under load and damages it; with more load and another one, if that has nothing of the part. */
  async #strike(part: Part, all: Book[], random: () => number) {
    const { cluster } = this.#live
    for (let i = 0; i < TRIES; i++) {
      if (part === 'partition') {
        const bulk = await this.#open(BULK)
        all.push(bulk)
        await bulk.ledger.more(BULK_MESSAGES, MORE_MS)
        await bulk.ledger.stop()
      }
      await all[1]?.ledger.more(BEFORE, MORE_MS)
      const node = pick(cluster.nodes, random)
      await node.kill()
      const damage = await damageSomewhere(this.#live.data(node), part, random)
      if (damage !== undefined) return { node, damage }
      node.start()
      await node.ready()
    }
    throw new Error(`no node has a ${part} to damage`)
  }

  async #comesBack(node: NodeProcess, found: readonly Damage[]): Promise<LiveOutcome['verdict']> {
    const { cluster } = this.#live
    const inLog = found.filter(({ file }) => file.endsWith('.wal'))
    node.start()
    if (inLog.length > 0) {
      await this.#isWithout(node, inLog)
      await node.kill()
      node.start()
      return this.#isWithout(node, inLog)
    }
    await node.ready()
    await eventually(`the state of ${node.name} is healed`, HEALED_MS, async () => {
      const [lost] = await samplesOf(cluster, node.name, 'state_lost')
      return lost?.value === 0
    })
    await caughtUp(cluster, node.name, HEALED_MS)
    await node.kill()
    const { damage } = await verifyData(this.#live.data(node))
    if (damage.length > 0) throw new Error(`it is still damaged: ${JSON.stringify(damage)}`)
    node.start()
    await node.ready()
    return 'healed'
  }

  /** It says what is damaged, wherever it is asked. Without its catalog it does not start, and says so as well. */
  async #isWithout(node: NodeProcess, damaged: readonly Damage[]): Promise<'quarantined' | 'refused'> {
    const { cluster } = this.#live
    const refused = damaged.some(({ groups }) => groups?.includes(CATALOG_GROUP) ?? true)
    if (refused) {
      const { code } = await node.exited()
      await eventually('the reason on stderr', SAID_MS, () => node.log().includes('"reason":"DATA_DAMAGED"'))
      if (code !== 1) throw new Error(`it ended with ${code}`)
      await eventually(`${node.name} is told to be gone`, SAID_MS, async () => {
        return (await statusOf(cluster)).nodes.some(({ name, alive }) => name === node.name && !alive)
      })
    } else {
      await node.ready()
      await eventually(`the damage of ${node.name} is told`, SAID_MS, () => this.#isTold(node, damaged))
    }
    for (const { file, offset } of damaged) {
      const said = node.log().split('\n')
      if (!said.some((line) => line.includes('wal_damaged') && line.includes(file) && line.includes(`${offset}`)))
        throw new Error(`its log does not name ${file} ${offset}`)
    }
    return refused ? 'refused' : 'quarantined'
  }

  async #isTold(node: NodeProcess, damaged: readonly Damage[]): Promise<true> {
    const { cluster } = this.#live
    const { damage, partitions } = await statusOf(cluster)
    const samples = await samplesOf(cluster, node.name, 'wal_damage')
    for (const { file, offset, groups } of damaged) {
      const told = damage.find((one) => one.node === node.name && one.file === file && one.offset === offset)
      if (JSON.stringify(told?.groups) !== JSON.stringify(groups)) {
        throw new Error(`status does not name ${file} ${offset} ${groups}: ${JSON.stringify(damage)}`)
      }
      const place = `file="${file}",offset="${offset}",groups="${groups?.join() ?? 'any'}"`
      if (!samples.some(({ labels, value }) => labels.includes(place) && value === 1)) {
        throw new Error(`no metric names ${place}: ${JSON.stringify(samples)}`)
      }
    }
    const absent = partitions.filter(({ applied }) => applied[node.name] === undefined)
    const lost = new Set(damaged.flatMap(({ groups }) => groups ?? []))
    if (absent.length === 0 || absent.length > lost.size) {
      throw new Error(`${absent.length} partitions are without ${node.name}, lost are ${[...lost]}`)
    }
    return true
  }

  /** Nothing is acknowledged with its help: with another node down as well, one replica of three is left. */
  async #hasNoSay(node: NodeProcess): Promise<void> {
    const { cluster, client } = this.#live
    const { partitions } = await statusOf(cluster)
    const without = partitions.filter(({ applied }) => applied[node.name] === undefined)
    const other = cluster.nodes.find(({ name }) => name !== node.name)
    await other?.kill()
    for (const { topic } of without) {
      const producer = client.producer()
      const outcome = await producer.produce(topic, { value: 'nobody' }).catch((error: unknown) => error)
      if (!(outcome instanceof SandglassError)) throw new Error(`${node.name} acknowledged for ${topic}`)
      await producer.close()
    }
    other?.start()
    await other?.ready()
  }

  /** Whatever was ever acknowledged is there, once; at `node` if it must have everything. */
  async #settle(all: readonly Book[], node: NodeProcess | undefined): Promise<void> {
    const { cluster, client } = this.#live
    const summaries = await Promise.all(
      all.map(({ topic, ledger }) => {
        if (node) return booksLedBy(node.name, { cluster, client, ledger, topic })
        return ledger.settle(cluster.addrs(), `books-${this.#topics}`)
      }),
    )
    for (const { lost, wrong, ...rest } of summaries) {
      if (lost > 0 || wrong.length > 0)
        throw new Error(`the books do not balance: ${JSON.stringify({ lost, wrong, rest })}`)
    }
  }
}

interface Book {
  readonly topic: string
  readonly ledger: Ledger
}

function pick(nodes: readonly NodeProcess[], random: () => number): NodeProcess {
  const node = nodes[Math.floor(random() * nodes.length)]
  if (node === undefined) throw new Error('no node')
  return node
}
