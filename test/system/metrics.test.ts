import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../../chaos/harness/cluster.ts'
import { sandctl } from '../../chaos/harness/sandctl.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.create({ nodes: 1 })
  await cluster.start()
})
afterAll(() => cluster.destroy())

/** The list in docs/semantics.md. */
const NAMES = [
  'messages_produced_total',
  'messages_delivered_total',
  'messages_acked_total',
  'messages_nacked_total',
  'messages_redelivered_total',
  'timer_early_total',
  'delivery_lateness_seconds',
  'messages_scheduled',
  'messages_due',
  'leases',
  'raft_leaders',
  'raft_quiesced',
  'raft_elections_total',
  'raft_proposals_total',
  'wal_fsync_seconds',
  'wal_bytes',
  'wal_state',
  'disk_errors_total',
  'wal_damage',
  'state_lost',
  'checkpoint_seconds',
  'clock_gap_seconds',
  'event_loop_lag_seconds',
  'grpc_server_handling_seconds',
  'grpc_connections',
  'grpc_streams',
  'grpc_unfinished_bytes',
  'grpc_refused_total',
  'build_info',
]

test('promtool finds nothing to say about the metrics of a node at work, and all documented ones are there', async () => {
  const addr = cluster.addrs().join(',')
  await sandctl(['-s', addr, 'topics', 'create', 'work', '--num_partitions', '1', '--replication_factor', '1'])
  await sandctl(['-s', addr, 'produce', 'work', 'x', '-n', '100'])
  const consumed = await sandctl(['-s', addr, 'consume', 'work'])
  expect(consumed.code).toBe(0)
  const text = await cluster.metrics('n1')
  for (const name of NAMES) expect(text).toContain(`# TYPE sandglass_${name} `)
  expect(text).toMatch(/^sandglass_messages_produced_total\{[^}]*topic="work"[^}]*\} 100$/m)
  expect(text).toMatch(/^sandglass_messages_acked_total\{[^}]*topic="work"[^}]*\} 100$/m)
  const check = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  expect(check.error).toBeUndefined()
  expect([check.status, check.stdout, check.stderr]).toEqual([0, '', ''])
})
