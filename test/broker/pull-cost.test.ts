/** A Pull is attached with its first delivery: one that finds nothing stores nothing, and nothing is lost where that fails. */
import { describe, expect, test } from 'vitest'
import type { SandglassError } from '../../src/base/errors.ts'
import { ENTRY_MESSAGES_MAX, SESSIONS_MAX } from '../../src/base/limits.ts'
import { PullTurn } from '../../src/broker/pull.ts'
import type { ReadOutcome } from '../../src/replication/group.ts'
import { decodeTimerCommand, encodeTimerCommand } from '../../src/views/timer/codec.ts'
import type { TimerCommand } from '../../src/views/timer/commands.ts'
import { Harness } from './harness.ts'
import { begun, group, type Pulling, pull, view } from './pulling.ts'

const other = { channel: 'master', group: 'other' }
const cancelled = new Error('cancelled') as SandglassError

/** Types of the commands of each entry proposed from now on. */
function entries(h: Harness): () => string[][] {
  const from = h.handle.proposed.length
  return () =>
    h.handle.proposed.slice(from).map(({ commands }) => commands.map((bytes) => decodeTimerCommand(bytes).type))
}

/** Past the broker, at once. */
function apply(h: Harness, commands: readonly TimerCommand[]): void {
  h.handle.propose({ at: 0, commands: commands.map(encodeTimerCommand), done: () => undefined })
}

/** Reads are confirmed when the test says so. */
function holdReads(h: Harness): (outcome: ReadOutcome) => void {
  const waiting: ((outcome: ReadOutcome) => void)[] = []
  h.handle.read = (done) => waiting.push(done)
  return (outcome) => {
    for (const done of waiting.splice(0)) done(outcome)
  }
}

/** Nothing of the group is leased, on its way or forgotten: one more Pull gets these many, for the first time. */
async function expectAllAtHand(h: Harness, count: number): Promise<void> {
  await h.time.run(100)
  expect(view(h)).toMatchObject({ leased: 0 })
  const next = pull(h, { impatient: true, max: 1000 })
  await h.time.run(100)
  expect(next.got().map((message) => message.count)).toEqual(Array.from({ length: count }, () => 1))
}

const reason = ({ outcome }: Pulling) => {
  const ended = outcome()
  return ended?.type === 'failed' ? ended.error.reason : ended?.type
}

test.each(['impatient', 'out of time', 'cancelled'])(
  'a pull that finds nothing in a group that exists proposes nothing: %s',
  async (how) => {
    const h = new Harness()
    await begun(h)
    const proposed = entries(h)
    const idle = pull(h, { impatient: how === 'impatient' })
    await h.time.run(100)
    if (how === 'out of time') idle.pull.finish()
    if (how === 'cancelled') idle.pull.end(cancelled)
    await h.time.run(20_000)
    expect(idle.outcome()).toMatchObject(how === 'cancelled' ? { error: cancelled } : { messages: [] })
    expect(proposed()).toEqual([])
    expect(h.partition.leadership?.dispatcher.size).toBe(0)
  },
)

test('a pull that finds something is attached and delivered to by one entry, at once or after a wait', async () => {
  const h = new Harness()
  await begun(h)
  await h.produced(2)
  const proposed = entries(h)
  const first = pull(h, { max: 2 })
  await h.time.run(1)
  expect([first.got().length, proposed()]).toEqual([2, [['attach', 'deliver']]])
  const second = pull(h)
  await h.time.run(100)
  await h.produced(1)
  await h.time.run(1)
  expect([second.got().length, proposed().slice(1)]).toEqual([1, [['produce'], ['attach', 'deliver']]])
  expect(view(h)?.sessions()).toHaveLength(2)
})

test.each([
  ['', false],
  [' before it is proposed', true],
])('a group that does not exist begins where its first pull came, though that ends with nothing%s', async (_, soon) => {
  const h = new Harness()
  await h.produced(3)
  await h.time.run(1)
  const first = pull(h, { start: { type: 'latest' }, impatient: true })
  if (soon) first.pull.finish()
  await h.time.run(1)
  expect(first.outcome()).toMatchObject({ type: 'pulled', messages: [] })
  await h.produced(2)
  await expectAllAtHand(h, 2)
})

describe('before a pull is told that nothing is due', () => {
  test('it is confirmed that this node knows what was stored before it', async () => {
    const h = new Harness()
    await begun(h)
    const confirm = holdReads(h)
    const [idle, over] = [pull(h, { impatient: true }), pull(h)]
    await h.time.run(1000)
    expect(idle.outcome()).toBeUndefined()
    over.pull.end(cancelled)
    confirm({ type: 'ok' })
    await h.time.run(1)
    expect(idle.outcome()).toMatchObject({ type: 'pulled', messages: [] })
    expect(h.partition.leadership?.dispatcher.size).toBe(0)
  })

  test.each(['NO_QUORUM', 'OVERLOADED', 'NOT_LEADER'] as const)(
    'it hears that it cannot be confirmed: %s',
    async (why) => {
      const h = new Harness()
      await begun(h)
      const confirm = holdReads(h)
      const asking = pull(h)
      confirm({ type: 'refused', reason: why })
      await h.time.run(1)
      expect(reason(asking)).toBe(why)
      expect(h.partition.leadership?.dispatcher.size).toBe(0)
    },
  )

  test('a new leadership makes void what was asked of the one before', async () => {
    const h = new Harness()
    await begun(h)
    const confirm = holdReads(h)
    const asking = pull(h)
    h.takeOver()
    confirm({ type: 'ok' })
    expect(reason(asking)).toBe('NOT_LEADER')
  })
})

describe('a pull that is refused where messages are there loses none of them', () => {
  test('when the group has all the sessions that it may have; others of its turn get theirs', async () => {
    const h = new Harness()
    await begun(h)
    await begun(h, other)
    const sessions = Array.from({ length: SESSIONS_MAX }, (_, i) => i.toString(16).padStart(32, '0'))
    for (let from = 0; from < SESSIONS_MAX; from += ENTRY_MESSAGES_MAX) {
      const some = sessions.slice(from, from + ENTRY_MESSAGES_MAX)
      const start = { type: 'earliest' } as const
      apply(
        h,
        some.map((session) => ({ type: 'attach', ...group, consumer: session, session, start })),
      )
    }
    const idle = pull(h, { impatient: true })
    await h.time.run(1)
    expect(reason(idle)).toBe('pulled')
    const turn = new PullTurn()
    const [refused, free] = [pull(h, { turn }), pull(h, { turn, ...other })]
    await h.produced(3)
    await h.time.run(1)
    expect([reason(refused), free.got().length]).toEqual(['OVERLOADED', 3])
    expect(view(h)).toMatchObject({ leased: 0, waiting: 3, sessionCount: SESSIONS_MAX })
    apply(h, [{ type: 'detach', ...group, session: sessions[0] ?? '' }])
    await expectAllAtHand(h, 3)
  })

  test.each([
    ['and is', 'OVERLOADED'],
    ['and is not', 'pulled'],
  ])('when its attach command goes in an entry of its own, which may be refused, %s', async (_, became) => {
    const h = new Harness()
    await begun(h)
    const proposed = entries(h)
    const count = ENTRY_MESSAGES_MAX - 100
    const pulls = Array.from({ length: ENTRY_MESSAGES_MAX }, () => pull(h, { max: 1 }))
    await h.produced(count)
    h.handle.manual = true
    await h.time.run(1)
    expect(proposed().map((commands) => [...new Set(commands)])).toEqual([['produce'], ['attach'], ['deliver']])
    if (became === 'OVERLOADED') h.handle.waiting.shift()?.done({ type: 'refused', reason: became })
    h.handle.applyNext()
    const ended = pulls.filter(({ pull }) => pull.over)
    expect([ended.length, new Set(ended.map(reason))]).toEqual([count, new Set([became])])
    expect(view(h)).toMatchObject(became === 'pulled' ? { leased: count } : { leased: 0, waiting: count })
    h.handle.manual = false
    if (became === 'pulled') await h.produced(100)
    await h.time.run(1)
    // The others take of what is there.
    expect(pulls.slice(count).map(({ got }) => got().length)).toEqual(Array.from({ length: 100 }, () => 1))
  })

  test('when too many commands wait already', async () => {
    const h = new Harness()
    await begun(h)
    const waiting = pull(h)
    h.handle.manual = true
    const stored = h.produce(3)
    await h.time.run(1)
    const nothing = { index: 1, fence: 1, delayMs: 0, keepPlace: false, reason: 'x'.repeat(200) }
    const nack = { type: 'nack', ...group, items: Array.from({ length: 5000 }, () => nothing) } as const
    for (let full = false; !full; ) {
      h.partition.settle(nack, (answer) => {
        full ||= answer.type === 'failed'
      })
    }
    h.handle.applyNext(1)
    await h.time.run(1)
    expect(reason(waiting)).toBe('OVERLOADED')
    h.handle.manual = false
    h.handle.applyNext()
    await stored
    await expectAllAtHand(h, 3)
  })

  test('when nobody waits for it any more before it is proposed: then it is not', async () => {
    const h = new Harness()
    await begun(h)
    await h.produced(3)
    h.handle.manual = true
    // Two entries are on their way: what settles little waits.
    for (let i = 0; i < 2; i++) {
      void h.produce(1, { delayMs: 60_000 })
      await h.time.run(1)
    }
    const proposed = entries(h)
    const gone = pull(h)
    await h.time.run(1)
    expect([gone.pull.proposed, proposed()]).toEqual([3, []])
    gone.pull.end(cancelled)
    h.handle.manual = false
    h.handle.applyNext()
    await h.time.run(1)
    expect(proposed()).toEqual([['deliver']])
    expect(view(h)).toMatchObject({ leased: 0, waiting: 3, sessionCount: 0 })
    await expectAllAtHand(h, 3)
  })
})
