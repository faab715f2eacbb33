/** What Prometheus sees of the process itself. prom-client's own default metrics are not to promtool's taste. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, type Registry } from 'prom-client'
import { VERSION } from '../../../base/version.ts'

const NS_PER_S = 1e9
const MS_PER_S = 1000
/** Between two samples; each wakes the process. */
const LOOP_RESOLUTION_MS = 100

/** The function it answers ends the sampling of the event loop. */
export function registerProcess(registry: Registry): () => void {
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })
  loop.enable()
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
  value('sandglass_event_loop_lag_seconds', 'Event loop delay since the last scrape, 99th percentile.', () => {
    const p99 = loop.percentile(99)
    loop.reset()
    // A sample is the whole time since the one before.
    return Math.max(0, p99 / NS_PER_S - LOOP_RESOLUTION_MS / MS_PER_S)
  })
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
  return () => loop.disable()
}
