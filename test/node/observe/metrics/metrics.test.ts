import { expect, test } from 'vitest'
import type { Env } from '../../../../src/base/env.ts'
import { groupCounters, TopicCounters } from '../../../../src/broker/stats.ts'
import { TopicSurvey } from '../../../../src/broker/topic-survey.ts'
import type { BrokerStats } from '../../../../src/broker/types.ts'
import { createMetrics, type Metrics, type MetricsSources } from '../../../../src/node/observe/metrics/metrics.ts'
import { VirtualTime } from '../../../virtual-env.ts'

const GROUPS = 20_000
const OTHERS: ReturnType<MetricsSources['others']> = {
  raft: {
    ...{ groups: 3, leaders: 2, quiesced: 1, damaged: [], stateLost: [7], elections: 5, dropped: 4 },
    proposals: { applied: 9, refused: 2, unknown: 1 },
  },
  wal: { state: 'full', bytes: 4096, segments: 1, batches: 1, pendingBytes: 0 },
  damage: [],
  peers: [{ name: 'n2', alive: true }],
  clients: {
    ...{ connections: 6, streams: 40, unfinishedBytes: 5000 },
    refused: { connections: 1, streams: 2, bytes: 3, time: 4 },
  },
}

const neverAfter: Env['after'] = () => ({ cancel: () => undefined })

/** Metrics of one topic with so many groups, on an event loop that counts its turns; each look at the clock takes 1 ms. */
function metricsOf(groups: number): { metrics: Metrics; counters: TopicCounters; turns: number[] } {
  const counters = new TopicCounters()
  for (let i = 0; i < groups; i++) groupCounters(counters, `g-${i}`).delivered = i
  const turns: number[] = []
  let monoMs = 0
  const env: Env = {
    ...{ wallMs: () => 0, random: () => 0, randomBytes: (count) => new Uint8Array(count), after: neverAfter },
    monoMs: () => monoMs++,
    endOfTurn: (run) => {
      turns.push(monoMs)
      setImmediate(run)
    },
  }
  const metrics = createMetrics(env, 'n1')
  metrics.connect({
    *broker(): Generator<void, BrokerStats> {
      const topic = new TopicSurvey(counters)
      yield
      return { topics: new Map([['orders', topic]]), leading: 1, clockGapMs: -250, proposals: OTHERS.raft.proposals }
    },
    others: () => OTHERS,
  })
  return { metrics, counters, turns }
}

test('a scrape gives the event loop back, and however often it is asked for meanwhile there is one', async () => {
  const { metrics, turns } = metricsOf(GROUPS)
  const [first, second] = [metrics.render(), metrics.render()]
  expect(second).toBe(first)
  const pieces = await first
  const lines = pieces.join('').split('\n')
  expect(lines.filter((line) => line.startsWith('sandglass_messages_delivered_total{'))).toHaveLength(GROUPS)
  // Four counters a group, and the clock is read once in 128 samples.
  expect(turns.length).toBeGreaterThan((GROUPS * 4) / 128 / 6)
  expect(Math.max(...turns.map((at, i) => at - (turns[i - 1] ?? 0)))).toBeLessThan(20)
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(128 * 1024)
  expect(metrics.render()).not.toBe(first)
  metrics.close()
})

test('what layers count is told with its labels, and distributions as buckets that add up', async () => {
  const { metrics, counters } = metricsOf(1)
  counters.produced = 3
  for (const seconds of [0, 0.002, 0.3, 100]) counters.lateness.observe(seconds)
  const text = (await metrics.render()).join('')
  for (const line of [
    '# TYPE sandglass_messages_produced_total counter',
    'sandglass_messages_produced_total{topic="orders",node="n1"} 3',
    'sandglass_messages_delivered_total{topic="orders",group="g-0",node="n1"} 0',
    'sandglass_delivery_lateness_seconds_bucket{topic="orders",le="0.001",node="n1"} 1',
    'sandglass_delivery_lateness_seconds_bucket{topic="orders",le="0.25",node="n1"} 2',
    'sandglass_delivery_lateness_seconds_bucket{topic="orders",le="+Inf",node="n1"} 4',
    'sandglass_delivery_lateness_seconds_count{topic="orders",node="n1"} 4',
    'sandglass_delivery_lateness_seconds_sum{topic="orders",node="n1"} 100.302',
    'sandglass_raft_proposals_total{outcome="refused",node="n1"} 2',
    'sandglass_wal_state{state="full",node="n1"} 1',
    'sandglass_state_lost{node="n1"} 1',
    'sandglass_peer_up{peer="n2",node="n1"} 1',
    'sandglass_clock_gap_seconds{node="n1"} -0.25',
    'sandglass_wal_fsync_seconds_count{node="n1"} 0',
  ])
    expect(text.split('\n')).toContain(line)
  metrics.close()
})

test('labels are escaped, and what has no labels but the common ones is told with those', async () => {
  const { metrics, counters } = metricsOf(0)
  groupCounters(counters, 'a"b\\c\nd').acked = 1
  const text = (await metrics.render()).join('')
  expect(text).toContain('group="a\\"b\\\\c\\nd",node="n1"} 1\n')
  metrics.close()
})

test('before the node serves there is only what the process itself says', async () => {
  const metrics = createMetrics(new VirtualTime().env(), 'n1')
  const text = (await metrics.render()).join('')
  expect(text).toContain('sandglass_build_info{')
  expect(text).not.toContain('sandglass_messages')
  metrics.close()
})
