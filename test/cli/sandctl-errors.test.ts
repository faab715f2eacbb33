import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { SandglassError } from '../../src/base/errors.ts'
import { type MemoryServer, startMemoryServer } from '../client/memory-server.ts'
import { errorOf, type Ran, startSandctl } from './run-sandctl.ts'

let server: MemoryServer
let topic = ''
let tests = 0
const folder = mkdtempSync(join(tmpdir(), 'sandctl-test-'))

beforeAll(async () => {
  server = await startMemoryServer()
})
beforeEach(async () => {
  topic = `t${++tests}`
  server.refuse = undefined
  await run('topics', 'create', topic, '--num_partitions', '3', '--replication-factor=1')
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true })
})

function start(args: readonly string[], input = ''): ReturnType<typeof startSandctl> {
  return startSandctl(server.addr, args, input)
}

function run(...args: string[]): Promise<Ran> {
  return start(args).ended
}

test('wrong usage is exit 2 with the form of all errors', async () => {
  const wrong = [
    [],
    ['nonsense'],
    ['topics'],
    ['topics', 'create', 'x'],
    ['topics', 'create', 'x', '--num_partitions', 'many', '--replication_factor', '1'],
    ['produce', topic],
    ['produce', topic, 'x', '--delay', 'soon'],
    ['produce', topic, 'x', '--at', 'tomorrow'],
    ['produce', topic, 'x', '--delay', '1s', '--at', '1'],
    ['produce', topic, 'x', '--colour', 'red'],
    ['produce', topic, '--file', join(folder, 'nothing.jsonl')],
    ['consume', topic, '-o', 'xml'],
    ['consume', topic, '--timeout', '10'],
    ['consume', topic, '--limit', '-1'],
    ['consume', topic, '--limit', '0'],
    ['consume', topic, '--lease', '0s'],
    ['produce', topic, 'x', '--at', '2027-02-30T00:00:00Z'],
    ['produce', topic, 'x', '--', 'y'],
    ['topics', 'list', '--addrs', 'here'],
    ['topics', 'list', '--addrs', ','],
    ['produce', topic, '--file', folder],
  ]
  for (const args of wrong) {
    const ran = await run(...args)
    expect([ran.code, ran.stdout, errorOf(ran).reason], args.join(' ')).toEqual([2, '', 'USAGE'])
  }
})

test('what is not known is named as it was written', async () => {
  const messages = {
    '--colour red': 'Unknown flag --colour; --help lists what there is',
    'topics list --dry_run': 'Unknown flag --dry_run; --help lists what there is',
    'topics frobnicate': 'Unknown word frobnicate; --help lists what there is',
    'produce t x y --fast': 'Unknown flag --fast; Unknown word y; --help lists what there is',
  }
  for (const [line, message] of Object.entries(messages)) {
    const ran = await run(...line.split(' '))
    expect([ran.code, errorOf(ran).message]).toEqual([2, message])
  }
})

test('errors have the exit code of their kind', async () => {
  const codes = {
    TOPIC_EXISTS: 1,
    INVALID: 1,
    NO_QUORUM: 3,
    SHUTTING_DOWN: 3,
    COMMIT_UNKNOWN: 4,
  } as const
  for (const [reason, code] of Object.entries(codes) as [keyof typeof codes, number][]) {
    server.refuse = undefined
    const running = start(['produce', topic, 'x', '--timeout', '400ms', '-o', 'jsonl'])
    server.refuse = new SandglassError(reason, `Cannot: ${reason}`)
    const ran = await running.ended
    expect([reason, ran.code, ran.stdout]).toEqual([reason, code, ''])
  }
  server.refuse = undefined
  const unreachable = await run('topics', 'list', '-s', '127.0.0.1:1', '--timeout', '300ms')
  expect([unreachable.code, errorOf(unreachable).reason]).toEqual([3, 'UNREACHABLE'])
})
