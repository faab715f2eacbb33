/**
 * What Prometheus sees. Totals and gauges are pulled from the layers' `stats()` at each scrape; only distributions are
 * pushed. Labels are topics and groups, never partitions, ids or keys. `promtool check metrics` finds nothing here,
 * which is why prom-client's default metrics are not used.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { VERSION } from '../../base/version.ts'
import type { GroupCounters, TopicStats } from '../../broker/stats.ts'
import type { BrokerStats } from '../../broker/types.ts'
import type { MultiRaftStats } from '../../replication/shard-books.ts'
import type { WalDamage, WalState, WalStats } from '../../storage/wal/types.ts'

export interface MetricsSources {
  readonly broker: () => BrokerStats
  readonly raft: () => MultiRaftStats
  readonly wal: () => WalStats
  /** Of the log, as found when it was opened. */
  readonly damage: () => readonly WalDamage[]
  /** The other nodes. */
  readonly peers: () => readonly { readonly name: string; readonly alive: boolean }[]
}

export interface Metrics {
  /** Text format 0.0.4. */
  render(): Promise<string>
  /** Sources exist only once the node is up; until then their metrics are absent. */
  connect(sources: MetricsSources): void
  lateness(topic: string, ms: number): void
  walSync(ms: number): void
  checkpoint(ms: number): void
  /** An operation of the disk failed. `part`: log or state; `code`: ENOSPC, EIO, ... */
  diskError(part: 'log' | 'state', code: string): void
  call(method: string, code: number, ms: number): void
  close(): void
}

const LATENESS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60]
// Fine between 5 and 50 ms: the bench is read against 25 ms there, and a wide bucket would hide on which side a figure lies.
const SYNC_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.025, 0.035, 0.05, 0.1, 0.25, 1,
]
const CALL_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const WAL_STATES: readonly WalState[] = ['ok', 'full', 'stuck', 'failed']
const NS_PER_S = 1e9
const MS_PER_S = 1000
/** Between two samples; each wakes the process. */
const LOOP_RESOLUTION_MS = 100

type Labels = Readonly<Record<string, string>>
type Sample = readonly [labels: Labels, value: number]

export function createMetrics(node: string): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ node })
  let sources: MetricsSources | undefined
  const from = <T>(read: (s: MetricsSources) => T, none: T): T => (sources === undefined ? none : read(sources))
  registerPulled(registry, from)
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })
  loop.enable()
  registerProcess(registry, () => {
    const p99 = loop.percentile(99)
    loop.reset()
    // A sample is the whole time since the one before.
    return Math.max(0, p99 / NS_PER_S - LOOP_RESOLUTION_MS / MS_PER_S)
  })
  const histogram = (name: string, help: string, buckets: number[], labelNames: string[] = []) =>
    new Histogram({ name: `sandglass_${name}`, help, buckets, labelNames, registers: [registry] })
  const lateness = histogram('delivery_lateness_seconds', 'First delivery after its due time.', LATENESS_BUCKETS, [
    'topic',
  ])
  const sync = histogram('wal_fsync_seconds', 'Duration of one fdatasync of the log.', SYNC_BUCKETS)
  const checkpoint = histogram('checkpoint_seconds', 'Duration of one checkpoint.', CALL_BUCKETS)
  const calls = histogram('grpc_server_handling_seconds', 'Handling of one call.', CALL_BUCKETS, ['method', 'code'])
  const diskErrors = new Counter({
    name: 'sandglass_disk_errors_total',
    help: 'Operations of the disk that failed, by part (log, state) and code of the error.',
    labelNames: ['part', 'code'],
    registers: [registry],
  })
  return {
    render: () => registry.metrics(),
    connect: (given) => {
      sources = given
    },
    lateness: (topic, ms) => lateness.observe({ topic }, ms / MS_PER_S),
    walSync: (ms) => sync.observe(ms / MS_PER_S),
    checkpoint: (ms) => checkpoint.observe(ms / MS_PER_S),
    diskError: (part, code) => diskErrors.inc({ part, code }),
    call: (method, code, ms) => calls.observe({ method, code: String(code) }, ms / MS_PER_S),
    close: () => loop.disable(),
  }
}

type From = <T>(read: (s: MetricsSources) => T, none: T) => T

function registerPulled(registry: Registry, from: From): void {
  const pulled =
    (Kind: typeof Counter | typeof Gauge) =>
    (name: string, help: string, labelNames: string[], read: (s: MetricsSources) => readonly Sample[]) => {
      new Kind({
        name: `sandglass_${name}`,
        help,
        labelNames,
        registers: [registry],
        collect() {
          this.reset()
          for (const [labels, value] of from(read, [])) this.inc(labels, value)
        },
      })
    }
  const counter = pulled(Counter)
  const gauge = pulled(Gauge)
  const topics = (pick: (t: TopicStats) => number) => (s: MetricsSources) =>
    [...s.broker().topics].map(([topic, t]): Sample => [{ topic }, pick(t)])
  const groups = (pick: (g: Readonly<GroupCounters>) => number) => (s: MetricsSources) =>
    [...s.broker().topics].flatMap(([topic, t]) =>
      [...t.groups].map(([group, g]): Sample => [{ topic, group }, pick(g)]),
    )
  const perTopic = ['topic']
  const perGroup = ['topic', 'group']
  counter(
    'messages_produced_total',
    'Messages stored.',
    perTopic,
    topics((t) => t.produced),
  )
  counter(
    'messages_delivered_total',
    'Deliveries handed out, redeliveries included.',
    perGroup,
    groups((g) => g.delivered),
  )
  counter(
    'messages_acked_total',
    'Deliveries acknowledged.',
    perGroup,
    groups((g) => g.acked),
  )
  counter(
    'messages_nacked_total',
    'Deliveries refused by their consumer.',
    perGroup,
    groups((g) => g.nacked),
  )
  counter(
    'messages_redelivered_total',
    'Deliveries beyond the first.',
    perGroup,
    groups((g) => g.redelivered),
  )
  counter(
    'timer_early_total',
    'Deliveries before their due time. Must stay 0.',
    perTopic,
    topics((t) => t.early),
  )
  gauge(
    'messages_scheduled',
    'Known to be scheduled for later, on partitions led here.',
    perTopic,
    topics((t) => t.scheduled),
  )
  gauge(
    'messages_due',
    'Known to be due and waiting for a consumer, on partitions led here.',
    perTopic,
    topics((t) => t.due),
  )
  gauge(
    'leases',
    'Deliveries under a lease.',
    perTopic,
    topics((t) => t.leases),
  )
  gauge('raft_quiesced', 'Groups of which the replica here sleeps because nothing happens in them.', [], (s) => [
    [{}, s.raft().quiesced],
  ])
  gauge('raft_leaders', 'Groups led by this node.', [], (s) => [[{}, s.raft().leaders]])
  counter('raft_elections_total', 'Elections this node won.', [], (s) => [[{}, s.raft().elections]])
  counter('raft_proposals_total', 'Raft proposals by how they were answered.', ['outcome'], (s) =>
    Object.entries(s.raft().proposals).map(([outcome, n]): Sample => [{ outcome }, n]),
  )
  gauge(
    'wal_state',
    'Whether the log on disk is ok, full, stuck or failed: 1 for the state it is in.',
    ['state'],
    (s) => WAL_STATES.map((state): Sample => [{ state }, s.wal().state === state ? 1 : 0]),
  )
  gauge(
    'wal_damage',
    'Damage of the log on disk: 1 for each place, with the Raft groups whose replicas here are lost.',
    ['file', 'offset', 'groups'],
    (s) =>
      s.damage().map(({ file, offset, groups, everyGroup }): Sample => {
        return [{ file, offset: String(offset), groups: everyGroup ? 'any' : groups.join() }, 1]
      }),
  )
  gauge('state_lost', 'Replicas here whose state was damaged and waits for a snapshot.', [], (s) => [
    [{}, s.raft().stateLost.length],
  ])
  gauge('peer_up', 'Whether another node was heard of lately.', ['peer'], (s) =>
    s.peers().map(({ name, alive }): Sample => [{ peer: name }, alive ? 1 : 0]),
  )
  gauge('wal_bytes', 'Size of the log on disk.', [], (s) => [[{}, s.wal().bytes]])
  gauge('clock_gap_seconds', 'Wall clock minus leader time, largest distance of the partitions led here.', [], (s) => [
    [{}, s.broker().clockGapMs / MS_PER_S],
  ])
}

function registerProcess(registry: Registry, loopLagS: () => number): void {
  const value = (name: string, help: string, read: () => number) => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read())
      },
    })
  }
  value('sandglass_event_loop_lag_seconds', 'Event loop delay since the last scrape, 99th percentile.', loopLagS)
  value('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss())
  value('sandglass_heap_used_bytes', 'JavaScript heap in use.', () => process.memoryUsage().heapUsed)
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'User and system time.',
    registers: [registry],
    collect() {
      const { user, system } = process.cpuUsage()
      this.reset()
      this.inc((user + system) / 1e6)
    },
  })
  const info = new Gauge({
    name: 'sandglass_build_info',
    help: 'Always 1.',
    labelNames: ['version'],
    registers: [registry],
  })
  info.set({ version: VERSION }, 1)
}
