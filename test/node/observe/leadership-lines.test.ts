/** What is written of leaderships that come and go. */
import { expect, test } from 'vitest'
import { LeadershipLines } from '../../../src/node/observe/leadership-lines.ts'
import type { Log } from '../../../src/node/observe/log.ts'
import { VirtualTime } from '../../virtual-env.ts'

const MOMENT_MS = 200

function setUp() {
  const written: unknown[] = []
  const time = new VirtualTime()
  const take = (event: string, fields = {}) => void written.push({ event, ...fields })
  const log: Log = { debug: take, info: take, warn: take, error: take }
  const lines = new LeadershipLines(time.env(), log, (group) => `orders/${group}`)
  const role = (group: number, of: 'leader' | 'follower' | 'candidate', term: number) =>
    lines.note({ type: 'role', group, role: of, term, leader: of === 'leader' ? 1 : 0 })
  return { time, lines, role, written }
}

test('a leadership gained and one lost are a line each, with the partition and the term', async () => {
  const { time, role, written } = setUp()
  role(7, 'leader', 3)
  await time.run(MOMENT_MS)
  role(7, 'follower', 4)
  role(8, 'candidate', 2)
  await time.run(MOMENT_MS)
  expect(written).toEqual([
    { event: 'leader_gained', count: 1, groups: [{ group: 'orders/7', term: 3 }] },
    { event: 'leader_lost', count: 1, groups: [{ group: 'orders/7', term: 4 }] },
  ])
})

test('whoever never led loses nothing, and a later term of the same leader is no news', async () => {
  const { time, role, written } = setUp()
  role(7, 'follower', 1)
  role(8, 'leader', 1)
  role(8, 'leader', 2)
  await time.run(MOMENT_MS)
  expect(written).toEqual([{ event: 'leader_gained', count: 1, groups: [{ group: 'orders/8', term: 1 }] }])
})

test('a thousand at a time are one line that names ten, and what is not written is written at the end', () => {
  const { lines, role, written } = setUp()
  for (let group = 0; group < 1000; group++) role(group, 'leader', 5)
  expect(written).toEqual([])
  lines.close()
  const groups = Array.from({ length: 10 }, (_, i) => ({ group: `orders/${i}`, term: 5 }))
  expect(written).toEqual([{ event: 'leader_gained', count: 1000, groups }])
})
