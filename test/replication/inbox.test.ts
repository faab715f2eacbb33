/** How much of what peers send is taken in one turn of the event loop, and in which order. */
import { expect, test } from 'vitest'
import { MESSAGES_PER_TURN, MESSAGES_PER_TURN_MAX } from '../../src/base/limits.ts'
import { encodeFrame } from '../../src/replication/frame/frame.ts'
import { type Addressee, Inbox } from '../../src/replication/inbox.ts'
import { messageOf } from '../raft/harness/entries.ts'
import { VirtualTime } from '../virtual-env.ts'

/** An inbox, the groups stepped so far, and frames of one message each for groups from `first` on. */
function setUp(admits: (group: number) => boolean = () => true) {
  const time = new VirtualTime()
  const stepped: number[] = []
  const replica = (group: number): Addressee => ({
    admits: () => admits(group),
    step: () => stepped.push(group),
    receive: () => Promise.resolve(),
  })
  const inbox = new Inbox({
    ...{ env: time.env(), clocks: { note: () => undefined }, slumber: { heard: () => undefined } },
    housekeeping: { takesAppends: true, skewed: false },
    ...{ replica, dead: () => false },
    fatal: (error) => {
      throw error
    },
  })
  const message = messageOf('heartbeat', 20, 10, 1)
  const frame = (...groups: number[]) =>
    encodeFrame({ clock: { wallMs: 0, stamp: 0 }, envelopes: groups.map((group) => ({ group, message })) })
  return { time, inbox, stepped, frame }
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i)

test('takes so many messages in a turn; what is more waits for the next ones, in its order', async () => {
  const { time, inbox, stepped, frame } = setUp()
  const sent = range(1, 3 * MESSAGES_PER_TURN)
  const waits: (Promise<void> | undefined)[] = sent.map((group) => inbox.frame(2, frame(group)))
  const now = stepped.length
  expect(now).toBeLessThanOrEqual(MESSAGES_PER_TURN)
  expect(now).toBeGreaterThan(MESSAGES_PER_TURN / 2)
  // What waits is not overtaken when another turn begins.
  inbox.turned()
  waits.push(inbox.frame(3, frame(9999)))
  expect(stepped).toHaveLength(now)
  await time.run(0)
  await Promise.all(waits)
  expect(stepped).toEqual([...sent, 9999])
})

test('takes as many again in each turn', () => {
  const { inbox, stepped, frame } = setUp()
  for (let turn = 0; turn < 5; turn++) {
    inbox.turned()
    expect(inbox.frame(2, frame(...range(1, MESSAGES_PER_TURN)))).toBeUndefined()
  }
  expect(stepped).toHaveLength(5 * MESSAGES_PER_TURN)
})

test('takes ever more in a turn while something has to wait in each, and as many as before once nothing has to', async () => {
  const { time, inbox, stepped, frame } = setUp()
  const lot = frame(...range(1, MESSAGES_PER_TURN / 4))
  const taken: number[] = []
  for (let turn = 0; turn < 10; turn++) {
    inbox.turned()
    const before = stepped.length
    const waits: Promise<void>[] = []
    // More than it will ever take in one.
    for (let i = 0; i < 100 && waits.length === 0; i++)
      waits.push(...[inbox.frame(2, lot)].flatMap((wait) => wait ?? []))
    taken.push(stepped.length - before)
    await time.run(0)
    await Promise.all(waits)
  }
  expect(taken.slice(0, 4).map((count) => count / MESSAGES_PER_TURN)).toEqual([1, 2, 4, 8])
  expect(taken.at(-1)).toBeLessThanOrEqual(MESSAGES_PER_TURN_MAX)
  for (let turn = 0; turn < 10; turn++) inbox.turned()
  const before = stepped.length
  while (inbox.frame(2, lot) === undefined);
  expect(stepped.length - before).toBe(MESSAGES_PER_TURN)
})

test('what no honest peer sends is refused to whom it came from, also if it had to wait', async () => {
  const { time, inbox, stepped, frame } = setUp((group) => {
    if (group === 666) throw new Error('a lie')
    return true
  })
  expect(() => inbox.frame(2, frame(666))).toThrow('a lie')
  inbox.frame(2, frame(...range(1, MESSAGES_PER_TURN)))
  const lie = inbox.frame(2, frame(666))
  const honest = inbox.frame(3, frame(777))
  const refused = expect(lie).rejects.toThrow('a lie')
  await time.run(0)
  await refused
  await honest
  expect(stepped.at(-1)).toBe(777)
})
