/** Time without service: the longest time without an acknowledged produce on a partition whose leader is killed. */
import type { Cluster } from '../chaos/harness/cluster.ts'
import { eventually } from '../chaos/harness/deadline.ts'
import type { SandglassClient } from '../src/client/index.ts'
import { rounded } from './report.ts'

const CALLERS = 16
const OBSERVED_MS = 3000

export interface Failover {
  readonly gapsMs: readonly number[]
  readonly medianMs: number
  readonly acked: number
}

/** `kills` times: SIGKILL of the leader under load, observation, restart, until it follows again. */
export async function failover(
  cluster: Cluster,
  client: SandglassClient,
  topic: string,
  kills: number,
): Promise<Failover> {
  const producer = client.producer()
  const times: number[] = []
  let running = true
  const caller = async () => {
    while (running) {
      await producer.produce(topic, { value: 'x', partition: 0 })
      times.push(performance.now())
    }
  }
  const callers = Promise.all(Array.from({ length: CALLERS }, caller))
  const gapsMs: number[] = []
  for (let kill = 0; kill < kills; kill += 1) {
    const node = cluster.node(await cluster.leader(client, topic, 0))
    const before = times.length
    await eventually('produce before the kill', 10_000, () => times.length > before + 100)
    const at = performance.now()
    await node.kill()
    await eventually('produce after the kill', 30_000, () => (times.at(-1) ?? 0) > at + OBSERVED_MS)
    gapsMs.push(rounded(longestGap(times, at)))
    node.start()
    await node.ready()
  }
  running = false
  await callers
  await producer.close()
  const sorted = [...gapsMs].sort((a, b) => a - b)
  return { gapsMs, medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0, acked: times.length }
}

function longestGap(times: readonly number[], from: number): number {
  let longest = 0
  for (let i = times.length - 1; i > 0; i -= 1) {
    const [before = 0, after = 0] = [times[i - 1], times[i]]
    if (after < from) break
    longest = Math.max(longest, after - before)
  }
  return longest
}
