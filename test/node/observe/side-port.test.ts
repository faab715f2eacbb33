import { EventEmitter, once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { openSidePort, type Probes, type SideBounds } from '../../../src/node/observe/side-port.ts'

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

const PROBES: Probes = { metrics: async () => [], notReady: () => [] }
/** Nobody is late while a test runs. */
const PATIENT: SideBounds = { connections: 4, requestMs: 600_000, checkMs: 600_000 }

/** Connected, and has said `text`. */
function visitor(port: number, text = '') {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined).resume()
  socket.write(text)
  return {
    connected: once(socket, 'connect'),
    answered: new Promise((resolve) => socket.once('data', resolve)),
    closed: new Promise((resolve) => socket.once('close', resolve)),
    leave: () => socket.destroy(),
  }
}

test('connections that say nothing give way to a probe, the oldest first', async () => {
  const port = await openSidePort('127.0.0.1', 0, PROBES, PATIENT)
  const silent = Array.from({ length: PATIENT.connections + 2 }, () => visitor(port.port))
  try {
    await Promise.all(silent.map(({ connected }) => connected))
    expect((await fetch(`http://127.0.0.1:${port.port}/livez`)).status).toBe(200)
    await Promise.all(silent.slice(0, 3).map(({ closed }) => closed))
  } finally {
    for (const { leave } of silent) leave()
    await port.close()
  }
})

test('a request that is being answered does not give way', async () => {
  let answer: (pieces: readonly string[]) => void = () => undefined
  const asked = new EventEmitter()
  const metrics = () => {
    asked.emit('scrape')
    return new Promise<readonly string[]>((resolve) => {
      answer = resolve
    })
  }
  const port = await openSidePort('127.0.0.1', 0, { ...PROBES, metrics }, PATIENT)
  const begun = once(asked, 'scrape')
  const scrape = fetch(`http://127.0.0.1:${port.port}/metrics`)
  await begun
  const others: ReturnType<typeof visitor>[] = []
  try {
    // Each has asked for something, and is no more of a stranger than the scrape.
    for (let i = 0; i < 2 * PATIENT.connections; i++) {
      const other = visitor(port.port, 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n')
      others.push(other)
      await other.answered
    }
    await others[0]?.closed
    answer(['a 1\n'])
    expect(await (await scrape).text()).toBe('a 1\n')
  } finally {
    for (const { leave } of others) leave()
    await port.close()
  }
})

test.each([
  ['nothing', ''],
  ['half a request', 'GET /livez HTTP/1.1\r\nHost: '],
])('who has said %s in time is closed', async (_, text) => {
  const port = await openSidePort('127.0.0.1', 0, PROBES, { connections: 4, requestMs: 50, checkMs: 20 })
  const late = visitor(port.port, text)
  try {
    await late.closed
    expect((await fetch(`http://127.0.0.1:${port.port}/livez`)).status).toBe(200)
  } finally {
    late.leave()
    await port.close()
  }
})
