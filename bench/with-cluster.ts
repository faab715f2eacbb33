/** Three nodes for one run, gone afterwards however it ends; what was measured as a table at the end. */
import { cpus } from 'node:os'
import { Cluster, type ClusterOptions } from '../chaos/harness/cluster.ts'
import { Report } from './report.ts'

/** Exit code: 0 if all books are ok. */
export async function withCluster(
  run: (cluster: Cluster, report: Report) => Promise<void>,
  options: ClusterOptions = {},
): Promise<number> {
  const cpu = `${cpus().length} x ${cpus()[0]?.model ?? 'cpu'}`
  process.stderr.write(`${cpu}, node ${process.version}, ${new Date().toISOString()}\n`)
  const cluster = await Cluster.create(options)
  process.once('SIGINT', () => void cluster.destroy().finally(() => process.exit(130)))
  const report = new Report()
  try {
    await cluster.start()
    await run(cluster, report)
    process.stdout.write(`\n${report.table()}\n`)
    return report.ok ? 0 : 1
  } finally {
    await cluster.destroy()
  }
}
