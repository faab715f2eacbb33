/** How one real node refuses to start, and how it ends: exit code, the one line on stderr, nothing bare beside it. */
import { chmodSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../../chaos/harness/deadline.ts'
import { NodeProcess } from '../../chaos/harness/node-process.ts'
import { sandctl } from '../../chaos/harness/sandctl.ts'

const ENDS_MS = 15_000
/** What root does without, so that permissions hold for it as well. */
const OVER_PERMISSIONS = '-dac_override,-dac_read_search'
const AS_ANYBODY =
  process.getuid?.() === 0 ? ['setpriv', `--bounding-set=${OVER_PERMISSIONS}`, `--inh-caps=${OVER_PERMISSIONS}`] : []
let folder = ''
let node: NodeProcess | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandglass-start-'))
})
afterEach(async () => {
  if (node?.running) node.signal('SIGCONT')
  await node?.kill()
  rmSync(folder, { recursive: true, force: true })
})

function start(flags: Readonly<Record<string, string>> = {}, wrapper: readonly string[] = []): NodeProcess {
  const all = { grpc_port: '0', http_port: '0', raft_port: '0', data: join(folder, 'data'), ...flags }
  const args = Object.entries(all).flatMap(([key, value]) => [`--${key}`, value])
  node = new NodeProcess({ name: 'n1', args, cwd: folder, wrapper })
  node.start()
  return node
}

/** Exit code and the error of a node that does not start; every other line of its stderr must be a log line. */
async function refused(
  flags: Readonly<Record<string, string>> = {},
  wrapper: readonly string[] = [],
): Promise<{ code: number | null; error: Record<string, string> }> {
  const started = start(flags, wrapper)
  const { code } = await started.exited(ENDS_MS)
  // The exit may be seen before the last line of stderr.
  const lines = await eventually('the error on stderr', ENDS_MS, () => {
    const all = started.log().split('\n')
    return all.some((line) => line.startsWith('{"error"')) ? all : undefined
  })
  const error = lines.map((line) => JSON.parse(line).error).find((found) => found?.reason !== undefined)
  return { code, error }
}

test.each([
  ['a file where the folder should be', () => 'file', 'a part of the path is a file, not a folder (ENOTDIR)'],
  ['a file on the way to it', () => 'file/below/it', 'a part of the path is a file, not a folder (ENOTDIR)'],
  ['a link that leads nowhere', () => 'link', 'it is a link that leads nowhere (ENOLINK)'],
  ['a place where nothing can be created', () => '/proc/nowhere', 'it cannot be created there (ENOENT)'],
])('the data folder is %s: DATA_UNUSABLE names the setting and says why', async (_what, where, why) => {
  writeFileSync(join(folder, 'file'), '')
  symlinkSync('nowhere', join(folder, 'link'))
  const { code, error } = await refused({ data: where() })
  expect({ code, ...error }).toEqual({
    code: 1,
    reason: 'DATA_UNUSABLE',
    message: `Cannot use data ${where()}: ${why}`,
    field: 'data',
    action: expect.stringContaining('another folder'),
  })
})

test('too few file handles to load the program: PROGRAM_UNUSABLE in one line', async () => {
  const { code, error } = await refused({}, ['sh', '-c', 'ulimit -n 24 && exec "$0" "$@"'])
  expect({ code, ...error }).toEqual({
    ...{ code: 1, reason: 'PROGRAM_UNUSABLE', message: expect.stringContaining('EMFILE') },
    action: expect.stringContaining('ulimit -n'),
  })
})

test('a file of the folder that may not be read: DATA_UNUSABLE names it, and what to do', async () => {
  const first = start()
  await first.ready()
  first.signal('SIGTERM')
  await first.exited(ENDS_MS)
  const data = join(folder, 'data')
  for (const file of ['identity.json', 'shard-0/wal/0000000001.wal', 'shard-0/state/CURRENT']) {
    const path = join(data, file)
    chmodSync(path, 0)
    const { code, error } = await refused({}, AS_ANYBODY)
    chmodSync(path, 0o600)
    expect({ code, ...error }).toEqual({
      ...{ code: 1, reason: 'DATA_UNUSABLE', field: 'data' },
      message: `Cannot use data ${data}: ${path}: no permission to read or write there (EACCES)`,
      action: expect.stringContaining('chown'),
    })
  }
  await start({}, AS_ANYBODY).ready()
})

test.each(['grpc_port', 'http_port', 'raft_port'])('a %s that is taken: PORT_IN_USE in one line', async (setting) => {
  const taken = createServer()
  const port = await listening(taken)
  try {
    const { code, error } = await refused({ [setting]: String(port) })
    expect({ code, reason: error.reason, field: error.field }).toEqual({
      ...{ code: 1, reason: 'PORT_IN_USE', field: setting },
    })
    expect(error.message).toMatch(new RegExp(`^Cannot listen on ${setting} ${port} of 127.0.0.1: listen EADDRINUSE`))
    expect(error.action).toContain('another port')
    // Nothing has been written, and no cluster formed.
    expect(existsSync(join(folder, 'data'))).toBe(false)
  } finally {
    taken.close()
  }
})

test.each([
  ['192.0.2.1', 'ADDRESS_NOT_HERE', 'EADDRNOTAVAIL'],
  ['no-such-host.invalid', 'ADDRESS_UNKNOWN', 'getaddrinfo'],
])('bind_addr %s: %s', async (address, reason, why) => {
  const { code, error } = await refused({ bind_addr: address })
  expect({ code, reason: error.reason, field: error.field }).toEqual({ code: 1, reason, field: 'bind_addr' })
  expect(error.message).toContain(why)
  expect(existsSync(join(folder, 'data'))).toBe(false)
})

test('an IPv6 address is listened on and told in brackets, and sandctl gets there', async () => {
  const ready = await start({ bind_addr: '::1' }).ready()
  expect(ready).toMatchObject({ grpc: expect.stringMatching(/^\[::1\]:\d+$/) })
  const metrics = await fetch(`http://${ready.http}/metrics`)
  expect(metrics.status).toBe(200)
  const ran = await sandctl(['-s', ready.grpc, '-o', 'json', 'cluster', 'nodes'])
  expect([ran.code, ran.stdout]).toEqual([0, expect.stringContaining(ready.grpc)])
})

test('a folder that another node has: DATA_LOCKED, also when its ports are taken as well', async () => {
  const first = start()
  const { grpc } = await first.ready()
  for (const flags of [{}, { grpc_port: grpc.split(':')[1] ?? '' }]) {
    const { code, error } = await refused(flags)
    expect({ code, reason: error.reason }).toEqual({ code: 1, reason: 'DATA_LOCKED' })
  }
  await first.kill()
})

test.each(['while the node is loaded', 'when it is ready'])(
  'a harness that is gone %s ends it with 0',
  async (when) => {
    const started = start()
    if (when === 'when it is ready') await started.ready()
    started.leave()
    expect(await started.exited(ENDS_MS)).toEqual({ code: 0, signal: null })
  },
)

test('a signal while the node is still starting ends it with 0', async () => {
  const configuration = createHttpServer()
  const asked = new Promise((resolve) => configuration.once('request', resolve))
  const port = await listening(configuration)
  const moments: Record<string, (started: NodeProcess) => unknown> = {
    'its configuration is on the way': () => asked,
    'its folder is there': () => eventually('the folder', ENDS_MS, () => existsSync(join(folder, 'data'))),
    'the cluster is formed': (started) =>
      eventually('the log line', ENDS_MS, () => started.log().includes('"event":"formed"')),
  }
  for (const [moment, comes] of Object.entries(moments)) {
    const unanswered = moment.includes('configuration')
    const started = start(unanswered ? { config: `http://127.0.0.1:${port}` } : {})
    await comes(started)
    started.signal('SIGTERM')
    expect({ moment, ...(await started.exited(ENDS_MS)) }, started.log()).toEqual({ moment, code: 0, signal: null })
    rmSync(join(folder, 'data'), { recursive: true, force: true })
  }
  configuration.closeAllConnections()
  configuration.close()
})

test('SIGTERM ends a ready node with 0, a second signal ends it at once with 130', async () => {
  const gentle = start()
  await gentle.ready()
  gentle.signal('SIGTERM')
  expect(await gentle.exited(ENDS_MS)).toEqual({ code: 0, signal: null })
  const hurried = start()
  await hurried.ready()
  // Both wait while it is stopped, so that the second comes before the first has been worked off.
  hurried.signal('SIGSTOP')
  hurried.signal('SIGTERM')
  hurried.signal('SIGINT')
  hurried.signal('SIGCONT')
  expect(await hurried.exited(ENDS_MS)).toEqual({ code: 130, signal: null })
})

function listening(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(address !== null && typeof address === 'object' ? address.port : 0)
    })
  })
}
