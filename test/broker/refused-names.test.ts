import { expect, test, vi } from 'vitest'
import type { Consumer } from './harness.ts'
import { Harness, surveyed } from './harness.ts'

const NAMES = 30_000

/** Group lookups beside one produce: what it costs to have so many names. */
async function lookups(h: Harness): Promise<number> {
  const asked = vi.spyOn(h.handle.view, 'group')
  await h.produced(1)
  await h.time.run(1)
  const { length } = asked.mock.calls
  asked.mockRestore()
  return length
}

function pull(h: Harness, group: string): Promise<string> {
  const base = { channel: 'master', consumer: 'c', leaseMs: 1000, max: 1, start: { type: 'earliest' }, impatient: true }
  const session = Buffer.from(group.padEnd(16, '.').slice(0, 16)).toString('hex')
  return new Promise((resolve) => {
    h.partition.pull({ ...base, start: { type: 'earliest' }, group, session }, (outcome) =>
      resolve(outcome.type === 'failed' ? outcome.error.reason : outcome.type),
    )
  })
}

test('thirty thousand refused group names leave nothing: no counters, no labels, nobody to look after', async () => {
  const h = new Harness()
  const consumer = h.consumer('known')
  await h.produced(1)
  await h.time.run(1)
  expect(consumer.got).toHaveLength(1)
  const before = await lookups(h)
  h.handle.refuse = 'OVERLOADED'
  const refused: Consumer[] = []
  for (let i = 0; i < NAMES; i++) refused.push(h.consumer('c', { group: `refused-${i}` }))
  const pulls = Array.from({ length: 100 }, (_, i) => pull(h, `pulled-${i}`))
  await h.time.run(1)
  expect(new Set(refused.map(({ ended }) => ended?.reason))).toEqual(new Set(['OVERLOADED']))
  expect(new Set(await Promise.all(pulls))).toEqual(new Set(['OVERLOADED']))
  h.handle.refuse = undefined
  expect([...(h.topic?.groups.keys() ?? [])]).toEqual(['g'])
  expect(h.partition.leadership?.dispatcher.size).toBe(1)
  expect(await lookups(h)).toBe(before)
})

test('a group that is refused at its bound leaves nothing either, and one that is attached later works', async () => {
  const h = new Harness()
  h.handle.manual = true
  const early = h.consumer('early', { group: 'late' })
  await h.time.run(1)
  h.handle.refuse = 'OVERLOADED'
  const refused = h.consumer('refused', { group: 'late' })
  await h.time.run(1)
  expect(refused.ended?.reason).toBe('OVERLOADED')
  h.handle.refuse = undefined
  h.handle.manual = false
  h.handle.applyNext()
  await h.produced(3)
  await h.time.run(1)
  expect(early.got).toHaveLength(3)
  expect(h.topic?.groups.get('late')?.delivered).toBe(3)
})

test('a topic that is deleted takes its counters along with its last partition', async () => {
  const h = new Harness()
  h.consumer('a', {}, { ack: true })
  await h.produced(1)
  await h.time.run(1)
  expect(h.topic?.produced).toBe(1)
  await h.directory.deleteTopic('orders')
  expect(h.topic?.produced).toBe(1)
  h.broker.detachGroup(h.handle.group)
  expect(surveyed(h.broker).topics.size).toBe(0)
})

test('a partition that only moves away leaves its counters, until the topic is deleted', async () => {
  const h = new Harness()
  await h.produced(1)
  h.broker.detachGroup(h.handle.group)
  expect(h.topic?.produced).toBe(1)
  await h.directory.deleteTopic('orders')
  expect(h.topic).toBeUndefined()
})

test('a group that no replica here has any more takes its counters along', async () => {
  const h = new Harness()
  h.consumer('a', {}, { ack: true })
  await h.produced(1)
  await h.time.run(1)
  expect(h.topic?.groups.get('g')?.acked).toBe(1)
  vi.spyOn(h.handle.view, 'group').mockReturnValue(undefined)
  surveyed(h.broker)
  expect(h.topic?.groups.size).toBe(0)
})
