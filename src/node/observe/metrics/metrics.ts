/**
 * What Prometheus sees. What is counted by topic and group is pulled from the layers at each scrape, in slices of the
 * event loop; what is pushed has labels of few values, and prom-client keeps it. `promtool check metrics` finds nothing.
 */
import { Counter, Histogram, Registry } from 'prom-client'
import type { Env } from '../../../base/env.ts'
import { Slice } from '../../../base/slice.ts'
import type { BrokerStats } from '../../../broker/types.ts'
import { Exposition } from './exposition.ts'
import { registerProcess } from './process.ts'
import { PULLED, type Scraped } from './pulled.ts'

export interface MetricsSources {
  /** As `Broker.survey`. */
  readonly broker: () => Generator<void, BrokerStats>
  readonly others: () => Omit<Scraped, 'broker'>
}

export interface Metrics {
  /** Text format 0.0.4, in pieces. Who asks while a scrape is under way gets its result. */
  render(): Promise<readonly string[]>
  /** Sources exist only once the node is up; until then their metrics are absent. */
  connect(sources: MetricsSources): void
  walSync(ms: number): void
  checkpoint(ms: number): void
  /** An operation of the disk failed. `part`: log or state; `code`: ENOSPC, EIO, ... */
  diskError(part: 'log' | 'state', code: string): void
  call(method: string, code: number, ms: number): void
  close(): void
}

// Fine between 5 and 50 ms: the bench is read against 25 ms there, and a wide bucket would hide on which side a figure lies.
const SYNC_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.025, 0.035, 0.05, 0.1, 0.25, 1,
]
const CALL_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const MS_PER_S = 1000

export function createMetrics(env: Env, node: string): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ node })
  let sources: MetricsSources | undefined
  let rendering: Promise<readonly string[]> | undefined
  const ended = registerProcess(registry)
  const histogram = (name: string, help: string, buckets: number[], labelNames: string[] = []) =>
    new Histogram({ name: `sandglass_${name}`, help, buckets, labelNames, registers: [registry] })
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
    render: () => {
      rendering ??= render(env, node, registry, sources).finally(() => {
        rendering = undefined
      })
      return rendering
    },
    connect: (given) => {
      sources = given
    },
    walSync: (ms) => sync.observe(ms / MS_PER_S),
    checkpoint: (ms) => checkpoint.observe(ms / MS_PER_S),
    diskError: (part, code) => diskErrors.inc({ part, code }),
    call: (method, code, ms) => calls.observe({ method, code: String(code) }, ms / MS_PER_S),
    close: ended,
  }
}

async function render(
  env: Env,
  node: string,
  registry: Registry,
  sources: MetricsSources | undefined,
): Promise<readonly string[]> {
  const out = new Exposition(env, { node })
  if (sources !== undefined) {
    const scraped = { broker: await inSlices(env, sources.broker()), ...sources.others() }
    for (const { samples, ...family } of PULLED) await out.family(family, samples(scraped))
  }
  const slice = new Slice(env, 1)
  for (const { name } of registry.getMetricsAsArray()) {
    out.text(`${await registry.getSingleMetricAsString(name)}\n`)
    if (slice.spent()) await slice.rest()
  }
  return out.chunks()
}

/** A step may be work of its own. */
async function inSlices<T>(env: Env, steps: Generator<void, T>): Promise<T> {
  const slice = new Slice(env, 1)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (slice.spent()) await slice.rest()
  }
}
