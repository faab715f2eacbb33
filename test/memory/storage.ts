/** What the log keeps in memory. */
import { RecentBlocks, RecentCache } from '../../src/storage/wal/recent.ts'
import { MIB, type Scenarios } from './scenario.ts'

export const STORAGE = {
  recentCache() {
    const cache = new RecentCache(8 * MIB)
    const owner = new RecentBlocks()
    for (let index = 1; index <= 100; index++) {
      cache.add(owner, index * MIB, [{ term: 1, index, type: 'normal', data: new Uint8Array(MIB) }])
    }
    return { cache, owner }
  },
} satisfies Scenarios
