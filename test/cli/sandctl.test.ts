import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { VERSION } from '../../src/base/version.ts'
import { runSandctl } from '../../src/cli/sandctl/run.ts'
import { errorOf, lines, Sink, Surroundings } from './run-sandctl.ts'

const here = new Surroundings()

test('topics are described in the documented shape', async () => {
  const ran = await here.run('topics', 'describe', here.topic, '-o', 'json')
  const partitions = [0, 1, 2].map((id) => ({ id, leader: 'n1', replicas: ['n1'] }))
  expect(lines(ran)).toEqual([{ name: here.topic, kind: 'timer', partitions, replicationFactor: 1, missing: [] }])
  expect(lines(await here.run('topics', 'list', '-o', 'json'))[0]).toMatchObject({
    topics: expect.arrayContaining([here.topic]),
  })
  expect((await here.run('topics', 'describe', here.topic)).stdout).toContain('PARTITION  LEADER  REPLICAS')
})

test('a topic is created though some of its nodes are missing, which are named', async () => {
  here.server.missing = ['n2', 'n3']
  const ran = await here.run('topics', 'create', 'shorthanded', '--partitions', '1', '--replication-factor', '1')
  expect([ran.code, ran.stderr]).toEqual([0, ''])
  expect(ran.stdout).toContain('missing: n2, n3;')
})

test('one of which some partitions have no leader at the deadline is told as created, with exit code 3', async () => {
  here.server.leaderless = [1, 2]
  const ran = await here.run('topics', 'create', 'headless', '--partitions', '3', '--replication-factor', '1')
  expect([ran.code, ran.stdout.split('\n')[0]]).toEqual([3, 'headless: timer, 3 partitions, replication factor 1'])
  const message = 'Topic headless is created, no leader yet: partitions 1, 2'
  expect(errorOf(ran)).toEqual({ reason: 'NO_QUORUM', message })
})

test('a deleted topic is gone', async () => {
  expect((await here.run('topics', 'delete', here.topic)).code).toBe(0)
  const ran = await here.run('topics', 'describe', here.topic)
  expect([ran.code, ran.stdout, errorOf(ran).reason]).toEqual([1, '', 'TOPIC_NOT_FOUND'])
})

test('produce tells the offsets with jsonl, and the sums with json', async () => {
  const each = lines(await here.run('produce', here.topic, 'hello', '-n', '3', '-o', 'jsonl', '--partition', '1'))
  expect(each).toHaveLength(3)
  expect(each[0]).toEqual({
    offset: expect.stringMatching(/^[0-9A-Z]{26}$/),
    partition: 1,
    index: 1,
    dueMs: expect.any(Number),
  })
  const sums = lines(await here.run('produce', here.topic, 'hello', '-n', '5000', '-o', 'json'))
  expect(sums).toEqual([{ topic: here.topic, produced: 5000, failed: 0, unknown: 0, elapsedMs: expect.any(Number) }])
})

test('consume prints what is due in the documented shape, acknowledges, and ends', async () => {
  await here.run('produce', here.topic, 'hello', '--key', 'k', '--channel', 'c')
  const ran = await here.run('consume', here.topic, '--channel', 'c', '-o', 'jsonl')
  expect(ran.code).toBe(0)
  expect(lines(ran)).toEqual([
    {
      offset: expect.any(String),
      partition: expect.any(Number),
      index: 1,
      channel: 'c',
      key: 'k',
      headers: {},
      value: 'hello',
      dueMs: expect.any(Number),
      deliveredMs: expect.any(Number),
      deliveryCount: 1,
      fence: expect.any(Number),
    },
  ])
  expect(await here.run('consume', here.topic, '--channel', 'c')).toEqual({ code: 0, stdout: '', stderr: '' })
})

test('consume drains thousands over all partitions, each once', async () => {
  const all = Array.from({ length: 3000 }, (_, n) => JSON.stringify({ value: `v${n}` })).join('\n')
  expect((await here.start(['produce', here.topic, '--file', '-'], all).ended).code).toBe(0)
  const ran = await here.run('consume', here.topic, '--consumer_group', 'g', '--consumer_name', 'me')
  const values = ran.stdout.trimEnd().split('\n')
  expect([ran.code, values.length, new Set(values).size]).toEqual([0, 3000, 3000])
})

test('without acks everything is given back', async () => {
  await here.run('produce', here.topic, 'x')
  expect((await here.run('consume', here.topic, '--no-ack')).stdout).toBe('x\n')
  expect(lines(await here.run('consume', here.topic, '-o', 'jsonl'))[0]).toMatchObject({ value: 'x', deliveryCount: 2 })
})

test('a value that is not text comes as base64', async () => {
  const { SandglassClient } = await import('../../src/client/index.ts')
  const client = await SandglassClient.connect({ addrs: [here.server.addr] })
  await client.producer().produce(here.topic, { value: Uint8Array.from([255, 0]) })
  await client.close()
  const [printed] = lines(await here.run('consume', here.topic, '-o', 'jsonl'))
  expect(printed).toMatchObject({ valueBase64: '/wA=' })
  expect(printed).not.toHaveProperty('value')
})

test('-f goes on until interrupted, and that is no failure', async () => {
  const following = here.start(['consume', here.topic, '-f'])
  await here.run('produce', here.topic, 'first')
  await following.stdout.shows('first')
  await here.run('produce', here.topic, 'second')
  await following.stdout.shows('second')
  following.interrupt()
  expect(await following.ended).toMatchObject({ code: 0, stdout: 'first\nsecond\n', stderr: '' })
})

test('--limit ends after that many, or fails at the timeout', async () => {
  await here.run('produce', here.topic, 'x', '-n', '5')
  expect((await here.run('consume', here.topic, '-f', '--limit', '3')).stdout).toBe('x\nx\nx\n')
  const late = await here.run('consume', here.topic, '-f', '--limit', '3', '--timeout', '300ms')
  expect([late.code, late.stdout, errorOf(late).reason]).toEqual([3, 'x\nx\n', 'DEADLINE'])
})

test('a closed stdout ends the program quietly, and what was not written is not acknowledged', async () => {
  await here.run('produce', here.topic, 'x', '-n', '3', '--partition', '0')
  const broken = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('closed'), { code: 'EPIPE' })),
  })
  const stderr = new Sink()
  const environment = { SANDGLASS_ADDRS: here.server.addr }
  const interrupt = new AbortController().signal
  const surroundings = { stdin: Readable.from([]), stdout: broken, stderr, environment, interrupt }
  expect(await runSandctl(['consume', '-f', here.topic], surroundings)).toBe(0)
  expect(stderr.text).toBe('')
  expect((await here.run('consume', here.topic)).stdout).toBe('x\nx\nx\n')
})

test('a file says for each message what the flags do not', async () => {
  const file = join(here.folder, 'messages.jsonl')
  const at = Date.now() - 1000
  const messages = [
    { value: 'text', key: 'k', headers: { h: '1' } },
    { value: { any: ['json', 1] }, at: new Date(at).toISOString() },
    { value: 'later', delayMs: 3_600_000 },
  ]
  writeFileSync(file, messages.map((m) => JSON.stringify(m)).join('\n'))
  expect((await here.run('produce', here.topic, '--file', file)).code).toBe(0)
  const consumed = lines(await here.run('consume', here.topic, '-o', 'jsonl'))
  expect(new Set(consumed.map((m) => m.value))).toEqual(new Set(['text', '{"any":["json",1]}']))
  expect(consumed.find((m) => m.key === 'k')?.headers).toEqual({ h: '1' })
})

test('a bad line is refused with its number, the others are stored', async () => {
  const input = '{"value":"a"}\nnot json\n{"value":"b","delayMs":"soon"}\n{"valu":"c"}\n\n{"value":"d"}\n'
  const ran = await here.start(['produce', here.topic, '--file', '-', '-o', 'json'], input).ended
  expect(lines(ran)[0]).toMatchObject({ produced: 2, failed: 3, unknown: 0 })
  expect([ran.code, errorOf(ran)]).toEqual([
    1,
    expect.objectContaining({ reason: 'INVALID', message: expect.stringContaining('line 2') }),
  ])
})

test('a message is found by its offset with its state', async () => {
  const [produced] = lines(await here.run('produce', here.topic, 'x', '--delay', '1h', '-o', 'jsonl'))
  const offset = String(produced?.offset)
  expect(lines(await here.run('messages', 'get', offset, '-o', 'json'))[0]).toMatchObject({
    topic: here.topic,
    offset,
    value: 'x',
    state: 'scheduled',
  })
  const [none] = [await here.run('messages', 'get', '0'.repeat(26), '--topic', here.topic)]
  expect([none.code, errorOf(none).reason]).toEqual([1, 'MESSAGE_NOT_FOUND'])
  const bad = await here.run('messages', 'get', 'nonsense')
  expect([bad.code, errorOf(bad)]).toEqual([2, expect.objectContaining({ reason: 'USAGE' })])
})

test('groups and the cluster are shown in the documented shape', async () => {
  await here.run('produce', here.topic, 'x')
  await here.run('consume', here.topic, '--group', `g${here.topic}`)
  const group = `g${here.topic}`
  expect(lines(await here.run('groups', 'list', '--topic', here.topic, '-o', 'json'))[0]).toMatchObject({
    groups: expect.arrayContaining([{ group, topic: here.topic, channel: 'master' }]),
  })
  const [described] = lines(await here.run('groups', 'describe', group, '-o', 'json'))
  expect(described).toMatchObject({ group, topic: here.topic, channel: 'master' })
  expect(lines(await here.run('groups', 'describe', here.topic, group, '-o', 'json'))[0]).toMatchObject({
    group,
    topic: here.topic,
  })
  expect(described?.partitions).toHaveLength(3)
  const [status] = lines(await here.run('cluster', 'status', '-o', 'json'))
  expect(status).toMatchObject({ clusterId: 'memory', nodes: [{ name: 'n1', grpc: here.server.addr, alive: true }] })
  expect(status?.partitions).toContainEqual({
    topic: here.topic,
    id: 0,
    leader: 'n1',
    term: 1,
    commit: expect.any(Number),
    applied: { n1: expect.any(Number) },
  })
  expect(status?.damage).toMatchObject([
    { node: 'n1', part: 'state', groups: [4, 5] },
    { part: 'log', groups: null },
  ])
  const { stdout } = await here.run('cluster', 'status')
  expect(stdout).toMatch(/^n1 +log +wal\/2\.wal +512 +any +it is torn$/m)
  expect(lines(await here.run('cluster', 'nodes', '-o', 'json'))[0]).toMatchObject({
    nodes: [{ name: 'n1', version: '0.1.0' }],
  })
})

test('bench keeps its books', async () => {
  for (const load of ['produce', 'consume']) {
    const ran = await here.run(
      'bench',
      load,
      '--topic',
      here.topic,
      '-n',
      '500',
      '--bytes',
      '10',
      '--concurrency',
      '50',
      '-o',
      'json',
    )
    expect(lines(ran)).toEqual([
      {
        load,
        concurrency: 50,
        bytes: 10,
        ratePerS: expect.any(Number),
        p50Ms: expect.any(Number),
        p99Ms: expect.any(Number),
        books: 'ok',
      },
    ])
  }
})

test('every command has help with examples', async () => {
  const COMMANDS = [
    '',
    ...['topics create', 'topics list', 'topics describe', 'topics delete', 'produce', 'consume', 'messages get'],
    ...['groups list', 'groups describe', 'cluster status', 'cluster nodes', 'bench produce', 'bench consume'],
  ]
  for (const command of COMMANDS) {
    const words = command.split(' ').filter((word) => word !== '')
    const help = await here.run(...words, '--help')
    expect([command, help.code, help.stderr]).toEqual([command, 0, ''])
    expect(help.stdout).toMatch(new RegExp(`Examples:\\n +sandctl ${command}`))
  }
})

test('the version and the completion script are printed', async () => {
  expect((await here.run('version')).stdout).toBe(`${VERSION}\n`)
  expect(await here.run('--version')).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: '' })
  expect((await here.run('completion')).stdout).toContain('sandctl')
})

test('flags may be written with underscores, values keep theirs', async () => {
  await here.run('produce', here.topic, 'a_b', '--key=k_1')
  expect(lines(await here.run('consume', here.topic, '--consumer_group=g_1', '-o', 'jsonl'))[0]).toMatchObject({
    key: 'k_1',
    value: 'a_b',
  })
})

test('a payload that begins with a dash stands after two', async () => {
  expect((await here.run('produce', here.topic, '--', '-x --y')).code).toBe(0)
  expect((await here.run('consume', here.topic)).stdout).toBe('-x --y\n')
})
