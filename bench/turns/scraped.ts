/** Scrapes of every node one after the other, and whether /livez answers meanwhile. */
import type { Cluster } from '../../chaos/harness/cluster.ts'

const SCRAPES = 10

export async function scraped(cluster: Cluster): Promise<string> {
  for (let i = 0; i < SCRAPES; i++) {
    for (const { name } of cluster.nodes) {
      const [, alive] = await Promise.all([
        cluster.metrics(name),
        fetch(`http://127.0.0.1:${cluster.httpPort(name)}/livez`),
      ])
      if (!alive.ok) return `/livez of ${name}: ${alive.status}`
    }
  }
  return 'ok'
}
