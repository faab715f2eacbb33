/** What was refused is tried again whenever the group happens to be looked at meanwhile. */
import { expect, test } from 'vitest'
import { Harness } from '../harness.ts'

/** Looking takes time: each reading of the monotonic clock is a little later than the one before. */
function slowed(h: Harness): void {
  const mono = h.env.monoMs.bind(h.env)
  let latest = 0
  h.env.monoMs = () => {
    latest = Math.max(mono(), latest + 0.15)
    return latest
  }
}

/** Until a command has been refused. */
async function refused(h: Harness): Promise<void> {
  h.handle.refuse = 'OVERLOADED'
  const { length } = h.handle.proposed
  await h.time.until(() => h.handle.proposed.length > length)
  h.handle.refuse = undefined
}

const MOMENTS = Array.from({ length: 60 }, (_, i) => i * 0.1)

test('a delivery whose time to be tried again passes while the leader looks is not forgotten', async () => {
  for (const moment of MOMENTS) {
    const h = new Harness()
    const consumer = h.consumer('a')
    await h.produced(1, { delayMs: 100 })
    slowed(h)
    await h.time.run(90)
    await refused(h)
    await h.time.run(15 + moment)
    consumer.session.drained()
    await h.time.run(1000)
    expect(consumer.indexes, `looked at after ${15 + moment} ms`).toEqual([1])
  }
})

test('an end of leases whose time to be tried again passes while the leader looks is not forgotten', async () => {
  for (const moment of MOMENTS) {
    const h = new Harness()
    const consumer = h.consumer('a', { leaseMs: 1000 })
    await h.produced(1)
    await h.time.run(10)
    slowed(h)
    await h.time.run(900)
    await refused(h)
    await h.time.run(45 + moment)
    consumer.session.drained()
    await h.time.run(500)
    expect(consumer.indexes, `looked at after ${45 + moment} ms`).toEqual([1, 1])
  }
})
