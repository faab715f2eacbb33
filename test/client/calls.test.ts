import { expect, test } from 'vitest'
import { type ErrorReason, SandglassError } from '../../src/base/errors.ts'
import { Calls } from '../../src/client/calls.ts'
import { Routes } from '../../src/client/routes.ts'
import { VirtualTime } from '../virtual-env.ts'
import { FakeCluster } from './fake-cluster.ts'

/** Answers or refuses each call as the script says, and remembers who was asked. */
class Scripted extends FakeCluster {
  readonly asked: string[] = []
  answer: (addr: string, nth: number) => unknown = () => ({ topics: [] })
  override call(addr: string): Promise<never> {
    this.asked.push(addr)
    const answer = this.answer(addr, this.asked.length)
    return answer instanceof SandglassError ? Promise.reject(answer) : Promise.resolve(answer as never)
  }
}

function setUp(addrs = ['a:1', 'b:1', 'c:1']) {
  const time = new VirtualTime()
  const transport = new Scripted(time)
  const calls = new Calls(time.env(), transport, { addrs, timeoutMs: 2000 })
  const read = () => calls.call('Topics', 'ListTopics', {}, { mutating: false })
  const change = () => calls.call('Topics', 'DeleteTopic', { name: 't' }, { mutating: true })
  return { time, transport, calls, read, change }
}

const error = (reason: ErrorReason, leader?: string) =>
  new SandglassError(reason, `Cannot: ${reason}`, leader === undefined ? {} : { leader })

test('a node that cannot be reached is passed over', async () => {
  const { time, transport, read } = setUp()
  transport.answer = (_addr, nth) => (nth < 3 ? error('UNREACHABLE') : { topics: ['x'] })
  expect((await time.during(read())).topics).toEqual(['x'])
  expect(new Set(transport.asked).size).toBe(3)
})

test('the node that answered is asked first the next time', async () => {
  const { time, transport, read } = setUp()
  transport.answer = (addr) => (addr === 'b:1' ? { topics: [] } : error('UNREACHABLE'))
  await time.during(read())
  await time.during(read())
  expect(transport.asked.slice(-2)).toEqual(['b:1', 'b:1'])
})

test('a hint is followed once at once, then the round goes on', async () => {
  const { time, transport, change } = setUp()
  transport.answer = (addr, nth) => (nth < 3 ? error('NOT_LEADER', 'd:1') : { addr })
  await time.during(change())
  expect(transport.asked[1]).toBe('d:1')
  expect(transport.asked[2]).not.toBe('d:1')
})

test('a change whose outcome is unknown is not tried again, a read is', async () => {
  const { time, transport, read, change } = setUp()
  transport.answer = (_addr, nth) => (nth === 1 ? error('COMMIT_UNKNOWN') : { topics: [] })
  await expect(time.during(change())).rejects.toMatchObject({ reason: 'COMMIT_UNKNOWN' })
  expect(transport.asked).toHaveLength(1)
  transport.asked.length = 0
  await time.during(read())
  expect(transport.asked).toHaveLength(2)
})

test('a refusal that will not change comes back at once', async () => {
  const { time, transport, change } = setUp()
  transport.answer = () => error('TOPIC_NOT_FOUND')
  await expect(time.during(change())).rejects.toMatchObject({ reason: 'TOPIC_NOT_FOUND' })
  expect([transport.asked.length, time.nowMs]).toEqual([1, 0])
})

test('at the deadline the last refusal comes back, after a bounded number of tries', async () => {
  const { time, transport, change } = setUp()
  transport.answer = () => error('NO_QUORUM')
  await expect(time.during(change())).rejects.toMatchObject({ reason: 'NO_QUORUM', outcome: 'refused' })
  expect(time.nowMs).toBeLessThanOrEqual(2000)
  expect(transport.asked.length).toBeGreaterThan(3)
  expect(transport.asked.length).toBeLessThan(20)
})

test('nodes that were learnt are asked when the named ones are gone', async () => {
  const { time, transport, calls, read } = setUp(['a:1'])
  calls.learn(['e:1', '', 'a:1'])
  transport.answer = (addr) => (addr === 'e:1' ? { topics: [] } : error('UNREACHABLE'))
  await time.during(read())
  expect(transport.asked).toEqual(['a:1', 'e:1'])
})

test('after an answer without a leader another node is asked: one that is cut off answers, but knows none', async () => {
  const { time, transport, calls } = setUp()
  const partition = (leaderGrpc: string) => ({ partitions: [{ id: 0, leader: '', leaderGrpc, replicas: [] }] })
  transport.answer = () => partition('')
  const routes = new Routes(calls)
  for (let i = 0; i < 3; i++) await time.during(routes.refresh('t'))
  expect(new Set(transport.asked).size).toBe(3)
  transport.answer = () => partition('a:1')
  for (let i = 0; i < 3; i++) await time.during(routes.refresh('t'))
  expect(new Set(transport.asked.slice(3)).size).toBe(1)
})
