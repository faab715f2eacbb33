/**
 * What a partition held in memory at one moment, on its way to rows while commands are applied to it: the freeze itself
 * costs what is dirty by number, not by size. A row says what things mean and nothing of how memory is laid out, so that
 * replicas which applied the same commands have the same rows, however often each was frozen before. The one exception is
 * which redeliveries lie cold: questions move them.
 */
import type { FrozenRows, RowSink, Store } from '../../view.ts'
import { channelKey, TAG } from '../keys.ts'
import type { Partition } from '../partition.ts'
import { encodeChannel, encodeCounters } from '../rows.ts'
import { FrozenGroup } from './frozen-group.ts'

/** What changed since the last freeze; that one was written to its end. */
export function freezePartition(partition: Partition, store: Store): FrozenRows {
  // Few and small.
  const rows = [{ key: TAG.counters as string, value: encodeCounters(partition) }]
  for (const channel of partition.dirtyChannels) {
    rows.push({ key: channelKey(channel.number), value: encodeChannel(channel) })
  }
  partition.dirtyChannels.clear()
  const groups = Array.from(partition.dirtyGroups, (group) => new FrozenGroup(group, store))
  partition.dirtyGroups.clear()
  const producers = partition.producers.freeze()
  return {
    *write(to: RowSink): Generator<void, void> {
      for (const { key, value } of rows) to.put(key, value)
      yield
      for (const group of groups) yield* group.write(to)
      yield* producers.write(to)
    },
  }
}
