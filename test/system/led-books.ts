/** Books read from one certain node: it is made the leader, and what a leader answers is what it holds. */
import type { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'
import type { Ledger, Summary } from '../../chaos/harness/ledger.ts'
import { sandctl } from '../../chaos/harness/sandctl.ts'
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
  const leads = async () => (await cluster.leader(client, topic, 0)) === name
  return eventually(`${name} leads from first to last`, LED_MS, async () => {
    await transfer(cluster, topic, await cluster.leader(client, topic, 0), name)
    await eventually(`${name} leads`, TRANSFER_MS, leads)
    const summary = await ledger.settle(cluster.addrs(name), `books-of-${name}`)
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

interface Status {
  readonly partitions: readonly { readonly commit: number; readonly applied: Readonly<Record<string, number>> }[]
}

/** Resolves when every node has applied what is committed, in every partition. */
export async function appliedEverywhere(cluster: Cluster, ms: number): Promise<void> {
  const args = ['-s', cluster.addrs().join(','), '-o', 'json', 'cluster', 'status']
  await eventually('every node has applied everything', ms, async () => {
    const { code, stdout } = await sandctl(args)
    if (code !== 0) return false
    const { partitions } = JSON.parse(stdout) as Status
    return partitions.every(({ commit, applied }) => cluster.nodes.every(({ name }) => applied[name] === commit))
  })
}
