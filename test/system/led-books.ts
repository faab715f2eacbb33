/** Books read from one certain node: it is made the leader, and what a leader answers is what it holds. */
import type { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'
import type { Ledger, Summary } from '../../chaos/harness/ledger.ts'
import { statusOf } from '../../chaos/harness/status.ts'
import type { SandglassClient } from '../../src/client/index.ts'
import { SERVICES } from '../../src/wire/messages.ts'
import { ApiClient } from '../rpc/api-client.ts'

const TRANSFER_MS = 5000
const LED_MS = 60_000

/** Settles `ledger`, a book of partition 0 of `topic`, on node `name`, which leads from the first to the last message. */
export function booksLedBy(
  name: string,
  { cluster, client, ledger, topic }: { cluster: Cluster; client: SandglassClient; ledger: Ledger; topic: string },
): Promise<Summary> {
  let tries = 0
  const leads = async () => (await cluster.leader(client, topic, 0)) === name
  return eventually(`${name} leads from first to last`, LED_MS, async () => {
    await transfer(cluster, topic, await cluster.leader(client, topic, 0), name)
    await eventually(`${name} leads`, TRANSFER_MS, leads)
    // A group of its own for each try: what an earlier one has acknowledged does not come again.
    tries += 1
    const summary = await ledger.settle(cluster.addrs(name), `books-of-${name}-${tries}`)
    return (await leads()) ? summary : undefined
  })
}

async function transfer(cluster: Cluster, topic: string, leader: string, to: string): Promise<void> {
  if (leader === to) return
  const api = new ApiClient(Number(cluster.addrs(leader)[0]?.split(':')[1]))
  try {
    await api.call(SERVICES.Cluster.TransferLeader, { topic, partition: 0, to })
  } finally {
    api.close()
  }
}

/** Resolves when `name` has applied everything that is committed, in every partition. */
export function caughtUp(cluster: Cluster, name: string, ms: number): Promise<true> {
  return eventually(`${name} has applied everything`, ms, async () => (await behind(cluster, name)) === 0 || undefined)
}

/** Entries that `name` has not applied although they are committed, all partitions together. */
export async function behind(cluster: Cluster, name: string): Promise<number> {
  const { partitions } = await statusOf(cluster)
  return partitions.reduce((sum, { commit, applied }) => sum + commit - (applied[name] ?? 0), 0)
}
