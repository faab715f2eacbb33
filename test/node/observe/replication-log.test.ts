import { expect, test } from 'vitest'
import type { Log } from '../../../src/node/observe/log.ts'
import { logReplication } from '../../../src/node/observe/replication-log.ts'

test('a line names the node that writes it once: a peer is called peer', () => {
  const lines: unknown[] = []
  const take = (event: string, fields = {}) => lines.push({ event, ...fields })
  const log: Log = { debug: take, info: take, warn: take, error: take }
  logReplication(log, { type: 'peerDown', node: 2 })
  logReplication(log, { type: 'snapshotFailed', group: 7, to: 3, error: new Error('cut') })
  expect(lines).toEqual([
    { event: 'peer_down', peer: 2 },
    { event: 'snapshot_failed', group: 7, to: 3, error: 'Error: cut' },
  ])
})
