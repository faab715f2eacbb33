import { describe, expect, test } from 'vitest'
import { SandglassError } from '../../src/base/errors.ts'
import { ENTRY_MESSAGES_MAX } from '../../src/base/limits.ts'
import type { Answer } from '../../src/broker/lane.ts'
import { submitInParts } from '../../src/broker/settle-parts.ts'
import { decodeTimerCommand } from '../../src/views/timer/codec.ts'
import type { AckCommand, TimerCommand } from '../../src/views/timer/commands.ts'
import { Harness } from './harness.ts'
import { group } from './pulling.ts'

const MANY = 3000
const ack = (count: number): AckCommand => ({
  type: 'ack',
  ...group,
  items: Array.from({ length: count }, (_, i) => ({ index: i, fence: i + 1 })),
})
const settled = (lost: readonly number[], done: number): Answer => ({
  type: 'reply',
  at: 1,
  reply: { type: 'settled', lost, done },
})
const failed = (reason: 'NOT_LEADER' | 'OVERLOADED' | 'COMMIT_UNKNOWN'): Answer => ({
  type: 'failed',
  error: new SandglassError(reason, 'Cannot: a test'),
})

/** Submits an ack of MANY, whose parts are answered so, the last one first. */
function answered(answers: readonly Answer[]): { sizes: number[]; done: number[]; whole: Answer | undefined } {
  const waiting: ((answer: Answer) => void)[] = []
  const sizes: number[] = []
  const done: number[] = []
  const wholes: Answer[] = []
  const submit = (part: AckCommand, answer: (answer: Answer) => void) => {
    sizes.push(part.items.length)
    waiting.push(answer)
  }
  submitInParts(ack(MANY), submit, {
    onPart: (part) => done.push(part.done),
    onDone: (answer) => wholes.push(answer),
  })
  for (let i = waiting.length - 1; i >= 0; i--) {
    expect(wholes).toEqual([])
    waiting[i]?.(answers[i] ?? settled([], 0))
  }
  expect(wholes).toHaveLength(1)
  return { sizes, done, whole: wholes[0] }
}

test('many deliveries are settled in parts of at most an entry, and answered as one, each place as it was asked', () => {
  const { sizes, done, whole } = answered([settled([0, 1023], 1022), settled([], 1024), settled([1, 951], 950)])
  expect(sizes).toEqual([1024, 1024, 952])
  expect(done).toEqual([950, 1024, 1022])
  expect(whole).toEqual(settled([0, 1023, 2049, 2999], 2996))
})

describe('when parts of it fail', () => {
  const reason = (whole: Answer | undefined) => (whole?.type === 'failed' ? whole.error.reason : whole?.type)

  test('and none took effect, the answer is their refusal', () => {
    const all = [failed('NOT_LEADER'), failed('NOT_LEADER'), failed('NOT_LEADER')]
    expect(reason(answered(all).whole)).toBe('NOT_LEADER')
  })

  test('and one of them may have taken effect, so may the whole', () => {
    const all = [failed('NOT_LEADER'), failed('COMMIT_UNKNOWN'), failed('NOT_LEADER')]
    expect(reason(answered(all).whole)).toBe('COMMIT_UNKNOWN')
  })

  test('and the others had nothing to settle, nothing took effect: the answer is the refusal', () => {
    const lost = Array.from({ length: 1024 }, (_, i) => i)
    const { done, whole } = answered([settled(lost, 0), failed('NOT_LEADER'), failed('NOT_LEADER')])
    expect([done, reason(whole)]).toEqual([[0], 'NOT_LEADER'])
  })

  test('and others took effect, the whole may have: no refusal is told', () => {
    const { done, whole } = answered([settled([], 1024), settled([], 1024), failed('OVERLOADED')])
    expect([done, reason(whole)]).toEqual([[1024, 1024], 'COMMIT_UNKNOWN'])
  })
})

test('a turn makes one full delivery, and an ack of many comes as parts', async () => {
  const h = new Harness()
  const consumer = h.consumer('a', { credit: 1 })
  await h.time.run(10)
  for (let i = 0; i < 5; i++) await h.produced(ENTRY_MESSAGES_MAX)
  let most = 0
  const { endOfTurn } = h.env
  h.env.endOfTurn = (run) => {
    endOfTurn.call(h.env, () => {
      const before = h.handle.proposed.length
      run()
      most = Math.max(most, h.handle.proposed.length - before)
    })
  }
  consumer.session.addCredit(100_000)
  await h.time.run(1000)
  expect([consumer.got.length, most]).toEqual([5 * ENTRY_MESSAGES_MAX, 1])
  consumer.session.ack(7, consumer.held.slice(0, MANY))
  await h.time.run(1000)
  expect(consumer.answers).toEqual([{ id: 7, lost: [] }])
  expect(h.topic?.groups.get('g')?.acked).toBe(MANY)
  const sizes = h.handle.proposed.flatMap(({ commands }) => commands.map(decodeTimerCommand)).map(itemsOf)
  expect(Math.max(...sizes)).toBe(ENTRY_MESSAGES_MAX)
})

function itemsOf(command: TimerCommand): number {
  return command.type === 'ack' ? command.items.length : 0
}
