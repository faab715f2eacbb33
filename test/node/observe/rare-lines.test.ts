import { expect, test } from 'vitest'
import { SandglassError } from '../../../src/base/errors.ts'
import { logBroker } from '../../../src/node/observe/broker-log.ts'
import type { Log } from '../../../src/node/observe/log.ts'
import { RareLines } from '../../../src/node/observe/rare-lines.ts'
import { VirtualTime } from '../../virtual-env.ts'

function noted() {
  const written: [level: string, event: string, fields: Readonly<Record<string, unknown>> | undefined][] = []
  const at =
    (level: string): Log['error'] =>
    (event, fields) =>
      void written.push([level, event, fields])
  const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  const time = new VirtualTime()
  return { written, time, log, lines: new RareLines(time.env(), log) }
}

test('what a node provokes is a line in ten seconds, with how many were left out', async () => {
  const { written, time, lines } = noted()
  for (let i = 0; i < 20; i++) lines.warn('peer_violation', 2, { field: `f${i}` })
  lines.warn('peer_violation', 3, { field: 'g' })
  await time.run(10_000)
  lines.warn('peer_violation', 2, { field: 'h' })
  expect(written).toEqual([
    ['warn', 'peer_violation', { peer: 2, field: 'f0', leftOut: 0 }],
    ['warn', 'peer_violation', { peer: 3, field: 'g', leftOut: 0 }],
    ['warn', 'peer_violation', { peer: 2, field: 'h', leftOut: 19 }],
  ])
})

test('a row that is tried again and again is told as rarely, for each partition', () => {
  const { written, log, lines } = noted()
  const error = new SandglassError('INTERNAL', 'Cannot read: a row is damaged')
  for (let i = 0; i < 40; i++) {
    for (const partition of [0, 1]) logBroker(log, lines, { type: 'readFailed', topic: 'orders', partition, error })
  }
  expect(written).toEqual(
    [0, 1].map((partition) => [
      'error',
      'read_failed',
      { topic: 'orders', partition, error: String(error), leftOut: 0 },
    ]),
  )
})
