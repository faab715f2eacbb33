/**
 * `npm run bench -- turns`: the longest turn of a node's event loop at the documented limits, by what the node was asked
 * for. Processor time of the loop's thread counts: on a shared machine a turn also waits for a processor.
 */
import type { Argv } from 'yargs'
import { withCluster } from '../with-cluster.ts'
import { groupTurns } from './groups.ts'
import { Meter } from './metered.ts'
import { outstandingTurns } from './outstanding.ts'
import { partitionTurns } from './partitions.ts'

const PARTS = { partitions: partitionTurns, groups: groupTurns, outstanding: outstandingTurns } as const
type Part = keyof typeof PARTS

export const turnsCommand = {
  command: 'turns',
  describe: 'longest turn of the event loop at 1,000 partitions, groups, sessions, and 100,000 outstanding',
  builder: (argv: Argv) =>
    argv.option('only', { choices: ['partitions', 'groups', 'outstanding'] as const, describe: 'a part' }).strict(),
  handler: async ({ only }: { only?: Part | undefined }): Promise<void> => {
    const parts = only === undefined ? Object.values(PARTS) : [PARTS[only]]
    const meter = new Meter()
    process.exitCode = await withCluster(
      async (cluster, report) => {
        for (const part of parts) await part(cluster, report, meter)
      },
      { env: meter.env },
    )
  },
}
