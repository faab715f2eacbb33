import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { SIDE_CONNECTIONS_MAX } from '../../../src/base/limits.ts'
import { openSidePort } from '../../../src/node/observe/side-port.ts'

test('the side port answers metrics, liveness and readiness, and refuses the rest', async () => {
  let reasons = ['no leader', 'the disk is full']
  const port = await openSidePort('127.0.0.1', 0, { metrics: async () => ['a 1\n', 'b 2\n'], notReady: () => reasons })
  const get = (path: string, method = 'GET') => fetch(`http://127.0.0.1:${port.port}${path}`, { method })
  expect((await get('/livez')).status).toBe(200)
  const waiting = await get('/readyz')
  expect([waiting.status, await waiting.text()]).toEqual([503, 'no leader\nthe disk is full\n'])
  reasons = []
  expect((await get('/readyz')).status).toBe(200)
  expect(await (await get('/metrics')).text()).toBe('a 1\nb 2\n')
  expect((await get('/metrics', 'POST')).status).toBe(405)
  expect((await get('/other')).status).toBe(404)
  await port.close()
})

test('connections that say nothing do not keep a probe out', async () => {
  const port = await openSidePort('127.0.0.1', 0, { metrics: async () => [], notReady: () => [] })
  const silent = Array.from({ length: SIDE_CONNECTIONS_MAX + 10 }, () => connect(port.port, '127.0.0.1'))
  const closed = silent.slice(0, 10).map((socket) => once(socket.resume(), 'close'))
  try {
    await Promise.all(silent.map((socket) => once(socket, 'connect')))
    expect((await fetch(`http://127.0.0.1:${port.port}/livez`)).status).toBe(200)
    await Promise.all(closed)
  } finally {
    for (const socket of silent) socket.destroy()
    await port.close()
  }
})
