import { expect, test, vi } from 'vitest'
import { encodeFrame } from '../../src/replication/frame/frame.ts'
import { messageOf } from '../raft/harness/entries.ts'
import { Cluster } from './cluster.ts'

test.each(['heartbeat', 'timeoutNow'] as const)(
  'a frame of a thousand %s looks at the clock as often as one of one',
  async (type) => {
    const cluster = await Cluster.start()
    const [node] = cluster.nodes
    if (node === undefined) throw new Error('no node')
    const looks = [1, 1000].map((count) => {
      const message = messageOf(type, 20, 10, 1)
      const envelopes = Array.from({ length: count }, (_, group) => ({ group: 10_000 + group, message }))
      const bytes = encodeFrame({ clock: { wallMs: node.env.wallMs(), stamp: 0 }, envelopes })
      const looked = vi.spyOn(node.env, 'wallMs')
      node.multi.frame(2, bytes)
      const { length } = looked.mock.calls
      looked.mockRestore()
      return length
    })
    expect(looks[1]).toBe(looks[0])
  },
)

test('the status of a group in which nothing happens is made once, and is never an old one', async () => {
  const cluster = await Cluster.start()
  const leader = await cluster.leader()
  const before = leader.handle.status()
  expect(leader.handle.status()).toBe(before)
  const outcome = await cluster.propose(leader, 'x')
  expect(outcome.type).toBe('applied')
  const after = leader.handle.status()
  expect(after).not.toBe(before)
  expect(after.applied).toBe(before.applied + 1)
  expect(before.applied).toBe(after.applied - 1)
})
