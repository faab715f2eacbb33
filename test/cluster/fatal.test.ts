/** What nobody expected ends a real node in one way: a line with the stack, a defined exit code, and nothing lost. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../../chaos/harness/deadline.ts'
import { NodeProcess } from '../../chaos/harness/node-process.ts'
import { sandctl } from '../../chaos/harness/sandctl.ts'

const ENDS_MS = 20_000
const EXIT_FATAL = 70
let folder = ''
let node: NodeProcess

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandglass-fatal-'))
  const flags = { name: 'n1', data: join(folder, 'data'), grpc_port: '0', http_port: '0', raft_port: '0' }
  const args = Object.entries(flags).flatMap(([key, value]) => [`--${key}`, value])
  node = new NodeProcess({ name: 'n1', args, cwd: folder })
})
afterEach(async () => {
  await node.kill()
  rmSync(folder, { recursive: true, force: true })
})

test.each([
  ['a throw that nobody catches', "throw new Error('on purpose')"],
  ['a rejection that nobody handles', "Promise.reject(new Error('on purpose'))"],
])('%s: one fatal line with its stack, exit code 70, and the node comes back with all it had', async (_what, fault) => {
  const preload = join(folder, 'fault.mjs')
  writeFileSync(preload, `process.on('SIGUSR2', () => { ${fault} })`)
  node.start({ env: { NODE_OPTIONS: `--import ${preload}` } })
  const { grpc } = await node.ready()
  const create = ['topics', 'create', 'work', '--num_partitions', '1', '--replication_factor', '1']
  expect((await sandctl(['-s', grpc, ...create])).code).toBe(0)
  expect((await sandctl(['-s', grpc, 'produce', 'work', 'kept'])).code).toBe(0)
  node.signal('SIGUSR2')
  expect(await node.exited(ENDS_MS)).toEqual({ code: EXIT_FATAL, signal: null })
  const lines = await eventually('the fatal line', ENDS_MS, () => {
    const all = node.log().split('\n')
    return all.some((line) => line.includes('"event":"fatal"')) ? all : undefined
  })
  // Every line is a log line: nothing is printed bare beside them.
  const fatal = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'fatal')
  expect(fatal).toMatchObject([{ error: 'on purpose', stack: expect.stringContaining('fault.mjs') }])
  node.start()
  const again = await node.ready()
  const consumed = await sandctl(['-s', again.grpc, 'consume', 'work', '--limit', '1'])
  expect(consumed).toMatchObject({ code: 0, stdout: 'kept\n' })
})
