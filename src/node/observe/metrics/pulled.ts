/** What is read from the layers at each scrape. Labels are topics and groups, never partitions, ids or keys. */
import type { Histogram } from '../../../base/histogram.ts'
import type { GroupCounters, TopicStats } from '../../../broker/stats.ts'
import type { BrokerStats } from '../../../broker/types.ts'
import type { MultiRaftStats } from '../../../replication/shard-books.ts'
import type { BoundsStats } from '../../../rpc/bounds/types.ts'
import type { WalDamage, WalState, WalStats } from '../../../storage/wal/types.ts'
import { type Family, histogramSamples, type Sample } from './exposition.ts'

/** The layers as one scrape found them. */
export interface Scraped {
  readonly broker: BrokerStats
  readonly raft: MultiRaftStats
  readonly wal: WalStats
  /** Of the log, as found when it was opened. */
  readonly damage: readonly WalDamage[]
  /** The other nodes. */
  readonly peers: readonly { readonly name: string; readonly alive: boolean }[]
  /** How much of the bounds of the public port is taken. */
  readonly clients: BoundsStats
}

interface Pulled extends Family {
  readonly samples: (scraped: Scraped) => Iterable<Sample>
}

const WAL_STATES: readonly WalState[] = ['ok', 'full', 'stuck', 'failed']
const MS_PER_S = 1000

export const PULLED: readonly Pulled[] = [
  {
    name: 'messages_produced_total',
    type: 'counter',
    help: 'Messages stored.',
    samples: topics((t) => t.produced),
  },
  {
    name: 'messages_delivered_total',
    type: 'counter',
    help: 'Deliveries handed out, redeliveries included.',
    samples: groups((g) => g.delivered),
  },
  {
    name: 'messages_acked_total',
    type: 'counter',
    help: 'Deliveries acknowledged.',
    samples: groups((g) => g.acked),
  },
  {
    name: 'messages_nacked_total',
    type: 'counter',
    help: 'Deliveries refused by their consumer.',
    samples: groups((g) => g.nacked),
  },
  {
    name: 'messages_redelivered_total',
    type: 'counter',
    help: 'Deliveries beyond the first.',
    samples: groups((g) => g.redelivered),
  },
  {
    name: 'timer_early_total',
    type: 'counter',
    help: 'Deliveries before their due time. Must stay 0.',
    samples: topics((t) => t.early),
  },
  {
    name: 'delivery_lateness_seconds',
    type: 'histogram',
    help: 'First delivery after its due time.',
    samples: distributions((t) => t.lateness),
  },
  {
    name: 'messages_scheduled',
    type: 'gauge',
    help: 'Known to be scheduled for later, on partitions led here.',
    samples: topics((t) => t.scheduled),
  },
  {
    name: 'messages_due',
    type: 'gauge',
    help: 'Known to be due and waiting for a consumer, on partitions led here.',
    samples: topics((t) => t.due),
  },
  {
    name: 'leases',
    type: 'gauge',
    help: 'Deliveries under a lease.',
    samples: topics((t) => t.leases),
  },
  {
    name: 'raft_quiesced',
    type: 'gauge',
    help: 'Groups of which the replica here sleeps because nothing happens in them.',
    samples: one(({ raft }) => raft.quiesced),
  },
  {
    name: 'raft_leaders',
    type: 'gauge',
    help: 'Groups led by this node.',
    samples: one(({ raft }) => raft.leaders),
  },
  {
    name: 'raft_elections_total',
    type: 'counter',
    help: 'Elections this node won.',
    samples: one(({ raft }) => raft.elections),
  },
  {
    name: 'raft_messages_dropped_total',
    type: 'counter',
    help: 'Messages of other nodes for replicas here that were not acted upon: their sender is not known, or far ahead.',
    samples: one(({ raft }) => raft.dropped),
  },
  {
    name: 'raft_proposals_total',
    type: 'counter',
    help: 'Raft proposals by how they were answered.',
    samples: ({ raft }) => Object.entries(raft.proposals).map(([outcome, value]) => ({ labels: { outcome }, value })),
  },
  {
    name: 'wal_state',
    type: 'gauge',
    help: 'Whether the log on disk is ok, full, stuck or failed: 1 for the state it is in.',
    samples: ({ wal }) => WAL_STATES.map((state) => ({ labels: { state }, value: wal.state === state ? 1 : 0 })),
  },
  {
    name: 'wal_damage',
    type: 'gauge',
    help: 'Damage of the log on disk: 1 for each place, with the Raft groups whose replicas here are lost.',
    samples: ({ damage }) =>
      damage.map(({ file, offset, groups, everyGroup }) => {
        return { labels: { file, offset: String(offset), groups: everyGroup ? 'any' : groups.join() }, value: 1 }
      }),
  },
  {
    name: 'state_lost',
    type: 'gauge',
    help: 'Replicas here whose state was damaged and waits for a snapshot.',
    samples: one(({ raft }) => raft.stateLost.length),
  },
  {
    name: 'peer_up',
    type: 'gauge',
    help: 'Whether another node was heard of lately.',
    samples: ({ peers }) => peers.map(({ name, alive }) => ({ labels: { peer: name }, value: alive ? 1 : 0 })),
  },
  {
    name: 'grpc_connections',
    type: 'gauge',
    help: 'Connections of clients.',
    samples: one(({ clients }) => clients.connections),
  },
  {
    name: 'grpc_streams',
    type: 'gauge',
    help: 'Open calls of clients.',
    samples: one(({ clients }) => clients.streams),
  },
  {
    name: 'grpc_unfinished_bytes',
    type: 'gauge',
    help: 'Kept for requests that are not whole or not answered and for answers that are not taken.',
    samples: one(({ clients }) => clients.unfinishedBytes),
  },
  {
    name: 'grpc_refused_total',
    type: 'counter',
    help: 'Connections and calls that were refused or ended, by the bound that was reached.',
    samples: ({ clients }) => Object.entries(clients.refused).map(([bound, value]) => ({ labels: { bound }, value })),
  },
  {
    name: 'wal_bytes',
    type: 'gauge',
    help: 'Size of the log on disk.',
    samples: one(({ wal }) => wal.bytes),
  },
  {
    name: 'clock_gap_seconds',
    type: 'gauge',
    help: 'Wall clock minus leader time, largest distance of the partitions led here.',
    samples: one(({ broker }) => broker.clockGapMs / MS_PER_S),
  },
]

function one(pick: (scraped: Scraped) => number) {
  return (scraped: Scraped): Iterable<Sample> => [{ labels: {}, value: pick(scraped) }]
}

function topics(pick: (topic: TopicStats) => number) {
  return function* ({ broker }: Scraped): Iterable<Sample> {
    for (const [topic, stats] of broker.topics) yield { labels: { topic }, value: pick(stats) }
  }
}

function distributions(pick: (topic: TopicStats) => Histogram) {
  return function* ({ broker }: Scraped): Iterable<Sample> {
    for (const [topic, stats] of broker.topics) yield* histogramSamples({ topic }, pick(stats))
  }
}

function groups(pick: (group: Readonly<GroupCounters>) => number) {
  return function* ({ broker }: Scraped): Iterable<Sample> {
    for (const [topic, stats] of broker.topics) {
      for (const [group, counters] of stats.groups) yield { labels: { topic, group }, value: pick(counters) }
    }
  }
}
