/** What a node's files take on disk, log and state apart. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Cluster } from '../chaos/harness/cluster.ts'

/** As stat counts blocks, whatever the file system's are. */
const BLOCK_BYTES = 512

export function diskBytes(cluster: Cluster, node: string): { log: number; state: number } {
  const shard = join(cluster.folder, node, 'shard-0')
  return { log: folderBytes(join(shard, 'wal')), state: folderBytes(join(shard, 'state')) }
}

function folderBytes(folder: string): number {
  let bytes = 0
  for (const name of readdirSync(folder)) {
    // A running node removes files at any time.
    bytes += (statSync(join(folder, name), { throwIfNoEntry: false })?.blocks ?? 0) * BLOCK_BYTES
  }
  return bytes
}
