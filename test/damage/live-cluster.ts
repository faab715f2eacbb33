/**
 * Three real nodes whose folders can be brought back to what they once were: a node whose log was damaged is out for
 * good, and the next case begins with three again. Their logs begin behind a checkpoint, so that a damaged state cannot
 * be made anew without a snapshot, and have sealed segments.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'
import { Ledger } from '../../chaos/harness/ledger.ts'
import type { NodeProcess } from '../../chaos/harness/node-process.ts'
import type { SandglassClient } from '../../src/client/index.ts'
import { verifyData } from '../../src/node/examine.ts'
import { caughtUp } from '../system/led-books.ts'
import { samplesOf } from './live-node.ts'

/** Of the messages that are there from the beginning. */
export const OLD = 'old'
const FLAGS = { wal_retain_bytes: '8MiB', disk_reserve_bytes: '1MiB' }
const CALLERS = 32
const OLD_BYTES = 16 * 1024
const OLD_MESSAGES = 900
const AFTER_CHECKPOINT = 50
const LOAD_MS = 60_000
const SETTLED_MS = 60_000

export class LiveCluster {
  readonly cluster: Cluster
  readonly client: SandglassClient
  /** What was acknowledged before the first case. */
  readonly old: Ledger
  readonly #sound: string

  private constructor(cluster: Cluster, client: SandglassClient, old: Ledger) {
    this.cluster = cluster
    this.client = client
    this.old = old
    this.#sound = mkdtempSync(join(tmpdir(), 'sandglass-live-'))
  }

  /** Resolves once all nodes are ready. */
  static async begin(): Promise<LiveCluster> {
    const cluster = await Cluster.create({ flags: FLAGS })
    try {
      await cluster.start()
      const client = await cluster.client({ timeoutMs: 5000 })
      await client.topics.create({ name: OLD, partitions: 1, replicationFactor: 3 })
      const old = new Ledger({ client, topic: OLD, callers: CALLERS, valueBytes: OLD_BYTES })
      await old.more(OLD_MESSAGES, LOAD_MS)
      await restart(cluster)
      await old.more(AFTER_CHECKPOINT, LOAD_MS)
      await old.stop()
      for (const { name } of cluster.nodes) {
        await caughtUp(cluster, name, SETTLED_MS)
        await eventually(`the log of ${name} begins later`, SETTLED_MS, async () => {
          const [bytes] = await samplesOf(cluster, name, 'wal_bytes')
          return bytes !== undefined && bytes.value < OLD_MESSAGES * OLD_BYTES
        })
      }
      const live = new LiveCluster(cluster, client, old)
      await live.#keep()
      return live
    } catch (error) {
      await cluster.destroy()
      throw error
    }
  }

  data({ name }: NodeProcess): string {
    return join(this.cluster.folder, name)
  }

  /** All nodes run on the folders of the beginning again; what was stored since is gone. */
  async restore(): Promise<void> {
    await kill(this.cluster)
    for (const node of this.cluster.nodes) {
      rmSync(this.data(node), { recursive: true, force: true })
      cpSync(join(this.#sound, node.name), this.data(node), { recursive: true })
    }
    await this.cluster.start()
  }

  async end(): Promise<void> {
    await this.cluster.destroy()
    rmSync(this.#sound, { recursive: true, force: true })
  }

  async #keep(): Promise<void> {
    await kill(this.cluster)
    for (const node of this.cluster.nodes) {
      const { damage } = await verifyData(this.data(node))
      if (damage.length > 0) throw new Error(`${node.name} is damaged to begin with: ${JSON.stringify(damage)}`)
      cpSync(this.data(node), join(this.#sound, node.name), { recursive: true })
    }
    await this.cluster.start()
  }
}

/** With a last checkpoint each. */
async function restart(cluster: Cluster): Promise<void> {
  for (const node of cluster.nodes) node.signal('SIGTERM')
  await Promise.all(cluster.nodes.map((node) => node.exited()))
  await cluster.start()
}

async function kill(cluster: Cluster): Promise<void> {
  await Promise.all(cluster.nodes.map((node) => node.kill()))
}
