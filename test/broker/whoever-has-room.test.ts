/**
 * Streams that come, go, reattach, are full and have room again, Pulls, refusals and changes of the leader, by chance: once
 * all is quiet nothing due waits beside anybody who may have it, everybody heard that the group has caught up, and nothing
 * is left of who is gone.
 */
import { expect, test } from 'vitest'
import { PullTurn } from '../../src/broker/pull.ts'
import type { Held, Position } from '../../src/views/timer/commands.ts'
import { type Consumer, Harness } from './harness.ts'
import { group, type Pulling, pull, view } from './pulling.ts'

const SEEDS = 30
const ROUNDS = 30
const STEPS_MAX = 8
const ENDLESS = Number.POSITIVE_INFINITY

interface Stream {
  readonly name: string
  readonly session: string
  readonly consumer: Consumer
  readonly settled: Set<number>
}

class Chance {
  readonly h: Harness
  readonly produced: Position[] = []
  readonly pulls: Pulling[] = []
  #streams: Stream[] = []

  constructor(seed: number) {
    // Of some, so few deliveries are on their way at a time that others wait for them.
    this.h = new Harness({ seed, memory: seed % 3 === 0 ? { flightBytes: 4000 } : {} })
  }

  below(n: number): number {
    return Math.floor(this.h.time.random() * n)
  }

  get streams(): readonly Stream[] {
    this.#streams = this.#streams.filter(({ consumer }) => consumer.ended === undefined)
    return this.#streams
  }

  step(): void {
    const stream = this.streams[this.below(this.streams.length)]
    const act = ACTS[this.below(ACTS.length)]
    if (act !== undefined && this.h.partition.now() !== undefined) act(this, stream)
  }

  open(name: string, session: string, holds?: readonly Held[]): void {
    const leaseMs = this.below(4) > 0 ? ENDLESS : 50 + this.below(2000)
    const spec = { session, credit: 1 + this.below(4), leaseMs, ...(holds && { holds }) }
    const consumer = this.h.consumer(name, spec, { ack: this.below(3) === 0 })
    this.#streams.push({ name, session, consumer, settled: new Set() })
  }

  close(stream: Stream, clean: boolean): void {
    this.#streams = this.#streams.filter((other) => other !== stream)
    stream.consumer.session.close(clean)
  }

  /** Some of what it holds, which it settles now. */
  settles({ consumer, settled }: Stream): Held[] {
    const items = consumer.held.filter(({ fence }) => !settled.has(fence)).slice(0, 1 + this.below(3))
    for (const { fence } of items) settled.add(fence)
    return items
  }

  /** Everything that was asked is answered; leases run on. */
  async quiet(): Promise<void> {
    const { handle, time } = this.h
    handle.refuse = undefined
    handle.manual = false
    handle.applyNext()
    await time.run(300)
  }

  /** Messages due that nobody holds. */
  get waiting(): number {
    const now = this.h.partition.now() ?? 0
    const known = view(this.h)
    if (known === undefined) return 0
    const { cursor } = known
    const isAhead = ({ due, index }: Position) => due > cursor.due || (due === cursor.due && index > cursor.index)
    const fresh = this.produced.filter((position) => position.due <= now && isAhead(position))
    return fresh.length + known.ready(now, 1000).length
  }

  /** Who may be given something, by name. */
  get roomy(): string[] {
    const pulls = this.pulls.filter(({ pull }) => !pull.over).map(() => 'a Pull')
    const streams = this.streams.filter(({ session, consumer }) => {
      const leased = view(this.h)?.leasedBy(session)
      return leased !== undefined && consumer.session.writable() && consumer.session.credit > leased
    })
    return [...pulls, ...streams.map(({ name }) => name)]
  }

  /** Who was given something and has not heard since that there is no more. */
  get untold(): string[] {
    const behind = this.streams.filter(({ consumer: { batches, caughtUpAt } }) => {
      return (caughtUpAt.at(-1) ?? -1) < (batches.at(-1)?.deliveredMs ?? 0)
    })
    return behind.map(({ name }) => name)
  }

  /** Sessions without a stream, and of Pulls those whose leases have ended. */
  get left(): string[] {
    const open = new Set(this.streams.map(({ session }) => session))
    const sessions = view(this.h)?.sessions() ?? []
    return sessions.filter(({ session, leased }) => leased === 0 && !open.has(session)).map(({ consumer }) => consumer)
  }
}

type Act = (chance: Chance, stream: Stream | undefined) => void
/** For one of the streams, if there is any. */
function ofStream(act: (chance: Chance, stream: Stream) => void): Act {
  return (chance, stream) => {
    if (stream !== undefined) act(chance, stream)
  }
}

const ACTS: readonly Act[] = [
  (chance) => chance.open(`n${chance.below(5)}`, Buffer.from(chance.h.env.randomBytes(16)).toString('hex')),
  (chance) => {
    const { h } = chance
    void h.produce(1 + chance.below(12), { delayMs: chance.below(3) * 40 }).then((answer) => {
      if (answer.type === 'reply' && answer.reply.type === 'produced') chance.produced.push(...answer.reply.positions)
    })
  },
  ofStream((chance, { consumer }) => consumer.session.addCredit(1 + chance.below(3))),
  ofStream((chance, stream) => stream.consumer.session.ack(1, chance.settles(stream))),
  ofStream((chance, stream) => {
    chance.h.partition.settle({ type: 'ack', ...group, items: chance.settles(stream) }, () => undefined)
  }),
  ofStream((chance, stream) => {
    const nack = { delayMs: chance.below(2) * 30, keepPlace: false, reason: '' }
    stream.consumer.session.nack(
      2,
      chance.settles(stream).map((held) => ({ ...held, ...nack })),
    )
  }),
  ofStream((_chance, { consumer }) => {
    consumer.full = true
  }),
  ofStream((_chance, { consumer }) => {
    consumer.full = false
    consumer.session.drained()
  }),
  // Sometimes beside the older stream.
  ofStream((chance, stream) => {
    if (chance.below(2) === 0) chance.close(stream, false)
    chance.open(
      stream.name,
      stream.session,
      stream.consumer.held.filter(() => chance.below(2) === 0),
    )
  }),
  ofStream((chance, stream) => chance.close(stream, chance.below(2) === 0)),
  (chance) => {
    const turn = new PullTurn()
    const spec = { max: 1 + chance.below(3), leaseMs: 50 + chance.below(500), impatient: chance.below(2) === 0, turn }
    for (let count = chance.below(2); count >= 0; count--) chance.pulls.push(pull(chance.h, spec))
  },
  (chance) => chance.pulls.findLast(({ pull }) => !pull.over)?.pull.finish(),
  ({ h }) => {
    h.handle.manual = true
  },
  ({ h }) => {
    h.handle.applyNext()
    h.handle.manual = false
  },
  ({ h }) => {
    h.handle.refuse = 'OVERLOADED'
  },
  ({ h }) => {
    h.handle.refuse = undefined
  },
  (chance) => {
    const { h } = chance
    if (chance.below(4) > 0) return
    if (chance.below(2) === 0) h.handle.loseWaiting()
    else h.handle.applyNext()
    if (chance.below(2) === 0) h.takeOver()
    else h.handle.change({ term: h.handle.status().term + 2 })
  },
]

test('whoever has room gets what is due, hears when there is no more, and leaves nothing behind', async () => {
  let delivered = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const chance = new Chance(seed)
    for (let round = 0; round < ROUNDS; round++) {
      for (let steps = chance.below(STEPS_MAX); steps >= 0; steps--) {
        chance.step()
        if (chance.below(2) === 0) await chance.h.time.run(chance.below(20))
      }
      await chance.quiet()
      const { waiting, roomy, untold } = chance
      const idle = waiting > 0 ? roomy : []
      expect({ seed, idle, untold: waiting > 0 ? [] : untold }).toEqual({ seed, idle: [], untold: [] })
    }
    await chance.h.time.run(9000)
    expect([seed, chance.left]).toEqual([seed, []])
    delivered += chance.h.topic?.groups.get('g')?.delivered ?? 0
  }
  expect(delivered).toBeGreaterThan(10 * SEEDS)
})
