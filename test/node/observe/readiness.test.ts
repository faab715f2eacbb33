import { beforeEach, expect, test } from 'vitest'
import { type Health, LEADERLESS_MS, Readiness } from '../../../src/node/observe/readiness.ts'
import { sayWaiting } from '../../../src/node/observe/start-watch.ts'
import { VirtualTime } from '../../virtual-env.ts'

let time: VirtualTime
let health: Health
let readiness: Readiness
let leader: boolean
let told: (readonly string[])[]

beforeEach(() => {
  time = new VirtualTime()
  health = { stopping: false, failed: false, disk: undefined, clockOk: true, notReady: 'starting' }
  readiness = new Readiness(time.env(), health)
  leader = true
  told = []
  readiness.observe((reasons) => told.push(reasons))
})

const fail = (event: string): never => {
  throw new Error(`not expected: ${event}`)
}

function serve(): void {
  health.notReady = undefined
  readiness.watch(() => leader)
}

test('a node is not ready before it serves, and says for what it waits', async () => {
  expect(readiness.reasons()).toEqual(['starting'])
  health.notReady = 'waiting for n3 to form the cluster'
  expect(readiness.reasons()).toEqual(['waiting for n3 to form the cluster'])
  serve()
  await readiness.ready()
  expect([readiness.reasons(), told]).toEqual([[], [[]]])
})

test('an election is no reason, a majority that stays away is, and the first leader ends it', async () => {
  serve()
  leader = false
  await time.run(LEADERLESS_MS - 500)
  leader = true
  await time.run(500)
  leader = false
  await time.run(LEADERLESS_MS - 500)
  expect([readiness.reasons(), told]).toEqual([[], [[]]])
  await time.run(1500)
  expect(readiness.reasons()[0]).toMatch(/^no leader of the catalog is known for 6 s/)
  expect(told).toHaveLength(2)
  leader = true
  expect(readiness.reasons()).toEqual([])
  await time.run(500)
  expect(told.at(-1)).toEqual([])
})

test('until it is ready for the first time the log says every 5 s what it waits for, as it is then', async () => {
  const said: unknown[] = []
  const log = { debug: () => undefined, info: (...words: unknown[]) => said.push(words), warn: fail, error: fail }
  sayWaiting(time.env(), log, readiness)
  let missing = 3
  health.notReady = () => `${missing} replicas to go`
  await time.run(5000)
  missing = 1
  health.disk = 'the disk is full'
  await time.run(5000)
  expect(said).toEqual([
    ['waiting', { for: ['3 replicas to go'], seconds: 5 }],
    ['waiting', { for: ['1 replicas to go', 'the disk is full'], seconds: 10 }],
  ])
  health.disk = undefined
  serve()
  await time.run(60_000)
  expect(said).toHaveLength(2)
})

test('a full disk, a clock that is off and a stop are reasons', () => {
  serve()
  health.disk = 'the disk is full'
  health.clockOk = false
  expect(readiness.reasons()).toEqual([
    'the disk is full',
    "its clock differs from the others' by more than max_clock_skew",
  ])
  health.notReady = 'stopping'
  health.stopping = true
  expect(readiness.reasons()).toEqual(['stopping'])
})

test('a node that starts with a full disk is ready once there is room', async () => {
  health.disk = 'the disk is full'
  expect(readiness.reasons()).toEqual(['starting', 'the disk is full'])
  serve()
  let ready = false
  const waiting = readiness.ready().then(() => {
    ready = true
  })
  await time.run(2000)
  expect(ready).toBe(false)
  health.disk = undefined
  await time.run(500)
  await waiting
  expect(told).toEqual([[]])
})
