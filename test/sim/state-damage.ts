/** What happens to the rows of a group on a disk that no process has open: the damage that a start must notice. */
import type { GroupId } from '../../src/base/ids.ts'
import { decodeHead } from '../../src/storage/state/head.ts'
import { batchKey, headKey } from '../../src/storage/state/keys.ts'
import type { MemoryDisk } from '../../src/storage/state/memory-database.ts'

/** `amount` in [0, 1) picks the kind: the head is gone, it cannot be read, a batch is missing. False: there is no state. */
export function damageState(disk: MemoryDisk, group: GroupId, amount: number): boolean {
  const head = disk.get(headKey(group))
  if (head === undefined) return false
  const { generation, chain } = decodeHead(head)
  const kind = Math.floor(amount * 3)
  const broken = kind === 2 && chain.batches > 0 ? batchKey({ group, generation }, chain.batches) : headKey(group)
  const owner = {}
  disk.own(owner)
  disk.write(owner, [{ key: broken, value: kind === 1 ? head.subarray(1) : undefined }])
  return true
}
