/**
 * A long random run: consumers that ack, nack, stall, break and come back, slow and refused proposals, take-overs and a
 * wall clock that jumps. The books must balance: at least once, one holder at a time, never early.
 */
import { expect, test } from 'vitest'
import { type Consumer, Harness } from './harness.ts'

const NAMES = ['a', 'b', 'c']
const LEASE_MS = 4000

for (const seed of [1, 2, 3, 4, 5, 6]) test(`books balance under seed ${seed}`, () => run(seed))

async function run(seed: number): Promise<void> {
  const h = new Harness({ seed })
  const random = () => h.time.random()
  const consumers = new Map<string, Consumer>()
  const everybody: Consumer[] = []
  const ready = new Map<number, number>()

  function join(name: string): void {
    if (h.partition.now() === undefined) return
    const consumer = h.consumer(name, { leaseMs: LEASE_MS, credit: 20 })
    consumers.set(name, consumer)
    everybody.push(consumer)
  }

  function produce(): void {
    const delayMs = random() < 0.5 ? 0 : Math.floor(random() * 3000)
    void h.produce(1 + Math.floor(random() * 5), { delayMs }).then((answer) => {
      if (answer.type === 'reply' && answer.reply.type === 'produced') {
        for (const { index, due } of answer.reply.positions) ready.set(index, due)
      }
    })
  }

  function settleSome(consumer: Consumer): void {
    for (const held of consumer.held.slice(-10)) {
      if (random() < 0.5) consumer.session.ack(1, [held])
      else if (random() < 0.1) consumer.session.nack(1, [{ ...held, delayMs: 100, keepPlace: false, reason: '' }])
    }
  }

  function upset(): void {
    const event = random()
    const name = NAMES[Math.floor(random() * NAMES.length)] ?? 'a'
    if (event < 0.02) {
      h.handle.loseWaiting()
      h.takeOver()
    } else if (event < 0.05) consumers.get(name)?.session.close(random() < 0.5)
    else if (event < 0.1) h.env.wallOffsetMs = Math.floor((random() - 0.5) * 7_200_000)
    else if (event < 0.3) h.handle.refuse = random() < 0.3 ? 'OVERLOADED' : undefined
    const consumer = consumers.get(name)
    if (consumer === undefined || consumer.ended !== undefined || event < 0.05) join(name)
  }

  for (let step = 0; step < 600; step++) {
    if (random() < 0.6) produce()
    h.handle.manual = random() < 0.6
    upset()
    await h.time.run(random() * 60)
    if (random() < 0.8) h.handle.applyNext()
    for (const consumer of consumers.values()) settleSome(consumer)
  }
  h.handle.manual = false
  h.handle.refuse = undefined
  h.handle.applyNext()
  h.takeOver()
  const last = h.consumer('last', { leaseMs: LEASE_MS, credit: 100 }, { ack: true })
  everybody.push(last)
  await h.time.run(60_000)

  const got = new Set(everybody.flatMap(({ indexes }) => indexes))
  const missing = [...ready.keys()].filter((index) => !got.has(index))
  expect(missing).toEqual([])
  const group = h.handle.view.group({ channel: 'master', group: 'g' })
  expect(group).toMatchObject({ leased: 0, waiting: 0, pending: 0 })
  expect(h.events.filter(({ type }) => type === 'early')).toEqual([])
  // One fence was handed out once: nobody else held the message under it.
  const fences = everybody.flatMap(({ got }) => got.map(({ index, fence }) => `${index}/${fence}`))
  expect(new Set(fences).size).toBe(fences.length)
}
