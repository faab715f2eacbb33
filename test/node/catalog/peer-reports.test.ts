/** Who counts as there, by what the nodes say of themselves. */
import { beforeEach, expect, test } from 'vitest'
import { PeerReports } from '../../../src/node/catalog/peer-reports.ts'
import { VirtualTime } from '../../virtual-env.ts'

const EVERY_MS = 200
const report = { node: 2, wallMs: 0, accepts: true, leads: [{ group: 7, term: 3 }] }

let time: VirtualTime
let env: ReturnType<VirtualTime['env']>
let reports: PeerReports

beforeEach(() => {
  time = new VirtualTime()
  env = time.env()
  reports = new PeerReports(env, () => true)
  const tick = () => {
    reports.tick(EVERY_MS)
    env.after(EVERY_MS, tick)
  }
  tick()
  reports.take(report)
})

test('a node that has said nothing for 3 s counts as gone, and with it what it leads', async () => {
  await time.run(2900)
  expect([reports.alive(2), reports.leaderOf(7).node]).toEqual([true, 2])
  await time.run(200)
  expect([reports.alive(2), reports.leaderOf(7).node]).toEqual([false, 0])
})

test('while this process stood still nobody could be heard: that makes nobody gone, and who is gone is noticed after it', async () => {
  await time.run(1000)
  env.pause()
  await time.run(10_000)
  env.resume()
  await time.run(1)
  expect(reports.alive(2)).toBe(true)
  await time.run(1500)
  expect(reports.alive(2)).toBe(true)
  await time.run(1000)
  expect(reports.alive(2)).toBe(false)
})

test('nor does it before the tick that is late, where a request or a report comes first', async () => {
  await time.run(1000)
  env.pause()
  await time.run(10_000)
  const seen: boolean[] = []
  env.enter(() => seen.push(reports.alive(2), reports.mayLead(2, 1000), reports.take(report)))
  env.resume(true)
  await time.run(1)
  expect(seen).toEqual([true, true, false])
})
