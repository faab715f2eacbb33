/** Who serves a partition, and how long one waits to know. */
import { expect, test } from 'vitest'
import { Harness } from './harness.ts'

const other = { id: 2, name: 'n2', grpc: 'host:2', alive: true, version: '' }

function leaderless(): Harness {
  const h = new Harness()
  h.handle.change({ role: 'follower', ready: false })
  h.directory.setLeader(0)
  h.directory.nodeList.push(other)
  return h
}

test('the leader itself serves, and passes on what another leads', () => {
  const h = new Harness()
  expect(h.broker.router.tryRoute('orders', 0)).toMatchObject({ type: 'local' })
  h.directory.nodeList.push(other)
  h.handle.change({ role: 'follower', ready: false })
  h.directory.setLeader(2)
  expect(h.broker.router.tryRoute('orders', 0)).toMatchObject({ type: 'remote', node: { id: 2 } })
})

test('a request waits through an election', async () => {
  const h = leaderless()
  const route = h.broker.router.route('orders', 0, h.env.monoMs() + 5000)
  await h.time.run(700)
  h.directory.setLeader(2)
  expect(await h.time.during(route, 1)).toMatchObject({ type: 'remote', node: { id: 2 } })
})

test('a leader that is dead is not asked', async () => {
  const h = leaderless()
  h.directory.nodeList[1] = { ...other, alive: false }
  h.directory.setLeader(2)
  expect(h.broker.router.tryRoute('orders', 0)).toBeUndefined()
})

test('without a quorum the refusal comes before the deadline', async () => {
  const h = leaderless()
  const route = h.broker.router.route('orders', 0, h.env.monoMs() + 5000)
  const refused = expect(route).rejects.toMatchObject({ reason: 'NO_QUORUM' })
  await h.time.run(4900)
  await refused
  expect(h.env.monoMs()).toBeLessThan(5000)
})

test('a topic is not found only after the catalog was asked', async () => {
  const h = new Harness()
  const deadline = h.env.monoMs() + 1000
  await expect(h.broker.router.topic('late', deadline)).rejects.toMatchObject({ reason: 'TOPIC_NOT_FOUND' })
  h.directory.unseen.set('late', { name: 'late', kind: 'kv', replicationFactor: 1, partitions: [] })
  expect(await h.broker.router.topic('late', deadline)).toMatchObject({ name: 'late' })
})

test('a partition that is not there and a topic of another kind are mistakes of the caller', async () => {
  const h = new Harness()
  expect(() => h.broker.router.tryRoute('orders', 7)).toThrow(expect.objectContaining({ field: 'partition' }))
  h.directory.known.set('map', { name: 'map', kind: 'kv', replicationFactor: 1, partitions: [] })
  expect(() => h.broker.router.tryRoute('map', 0)).toThrow(expect.objectContaining({ field: 'topic' }))
})
