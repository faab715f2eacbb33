/** Three nodes judge their clocks: a delay is never taken for a clock, and a wrong clock is found. */
import { describe, expect, test } from 'vitest'
import { Cluster, type Node } from '../cluster.ts'

const LONG_MS = 10_000
const STEP_MS = 5000

const verdicts = ({ events }: Node) => events.flatMap((event) => (event.type === 'clock' ? [event.verdict] : []))

async function started(seed: number): Promise<{ cluster: Cluster; some: Node }> {
  const cluster = await Cluster.start({ seed })
  const leader = await cluster.leader()
  await cluster.time.run(2000)
  return { cluster, some: seed % 2 === 0 ? leader : (cluster.others(leader)[0] ?? leader) }
}

describe.each([1, 2, 3, 4])('seed %i', (seed) => {
  test('frames that take ten seconds, for a minute, are no verdict about any clock', async () => {
    const { cluster } = await started(seed)
    const { network, time } = cluster
    // All of them at first, then some.
    network.travelMs = () => LONG_MS
    await time.run(30_000)
    network.travelMs = () => time.random() * LONG_MS
    await time.run(30_000)
    network.travelMs = () => 1
    await time.run(5000)
    for (const node of cluster.nodes) expect(verdicts(node)).toEqual([])
    await cluster.leader()
  })

  test.each([-STEP_MS, STEP_MS])('a clock that steps by %i ms is found within five seconds', async (offMs) => {
    const { cluster, some } = await started(seed)
    some.env.wallOffsetMs = offMs
    await cluster.time.until(() => verdicts(some).length > 0, 5000)
    expect(verdicts(some)).toEqual(['skewed'])
    await cluster.time.run(2000)
    for (const node of cluster.others(some)) expect(verdicts(node)).toEqual([])
  })

  test.each([-STEP_MS, STEP_MS])('one that steps by %i ms while frames wait is found once they flow', async (offMs) => {
    const { cluster, some } = await started(seed)
    const { network, time } = cluster
    network.travelMs = () => LONG_MS
    await time.run(20_000)
    some.env.wallOffsetMs = offMs
    await time.run(20_000)
    network.travelMs = () => 1
    await time.until(() => verdicts(some).includes('skewed'), 5000)
    for (const node of cluster.others(some)) expect(verdicts(node)).toEqual([])
  })

  test('what was proven stands while nothing is', async () => {
    const { cluster, some } = await started(seed)
    const { network, time } = cluster
    some.env.wallOffsetMs = STEP_MS
    await time.until(() => verdicts(some).length > 0, 5000)
    network.travelMs = () => LONG_MS
    await time.run(15_000)
    some.env.wallOffsetMs = 0
    await time.run(15_000)
    expect(verdicts(some)).toEqual(['skewed'])
    network.travelMs = () => 1
    await time.until(() => verdicts(some).length > 1, 5000)
    expect(verdicts(some)).toEqual(['skewed', 'ok'])
  })
})
