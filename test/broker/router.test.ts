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

test.each([
  ['its topic is deleted', 'TOPIC_NOT_FOUND', (h: Harness) => h.directory.deleteTopic('orders')],
  ['the node closes', 'SHUTTING_DOWN', (h: Harness) => h.broker.close()],
] as const)('a wait for a leader ends at once when %s', async (_, reason, happens) => {
  const h = leaderless()
  const refused = expect(h.broker.router.route('orders', 0, h.env.monoMs() + 60_000)).rejects.toMatchObject({ reason })
  await h.time.run(150)
  await happens(h)
  await h.time.run(1)
  await refused
})

test('a wait for a leader goes on with the topic that was made under the same name', async () => {
  const h = leaderless()
  const route = h.broker.router.route('orders', 0, h.env.monoMs() + 60_000)
  await h.time.run(150)
  const [old] = h.directory.known.get('orders')?.partitions ?? []
  if (old === undefined) throw new Error('no partition')
  const partitions = [{ ...old, group: 2001 }]
  h.directory.known.set('orders', { name: 'orders', kind: 'timer', replicationFactor: 1, partitions })
  h.directory.leaderOf = (group = 0) => (group === 2001 ? 2 : 0)
  expect(await h.time.during(route, 101)).toMatchObject({ type: 'remote', node: { id: 2 } })
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
