import { expect, test } from 'vitest'
import { SandglassError } from '../../src/base/errors.ts'
import { COMMAND_BYTES_MAX } from '../../src/base/limits.ts'
import { type Answer, createLaneBudgets } from '../../src/broker/lane.ts'
import { Proposer } from '../../src/broker/proposer.ts'
import type { NewMessage } from '../../src/views/timer/commands.ts'
import { MemoryHandle } from './memory-handle.ts'

function proposerOf(handle: MemoryHandle): Proposer {
  return new Proposer({
    handle,
    budgets: createLaneBudgets(),
    now: () => 0,
    refusal: (reason) => new SandglassError(reason, reason),
    schedule: () => undefined,
    horizonMoved: () => undefined,
  })
}

test('what nobody waits for any more when its turn comes is not proposed, and holds up nothing', () => {
  const handle = new MemoryHandle()
  const proposer = proposerOf(handle)
  const answers: string[] = []
  let here = true
  const produce = (name: string, wanted?: () => boolean) => {
    const messages = [{ channel: 'master', body: new Uint8Array(10) }]
    const done = (answer: Answer) =>
      answers.push(`${name} ${answer.type === 'failed' ? answer.error.reason : 'stored'}`)
    proposer.submit({ type: 'produce', messages }, done, wanted)
  }
  produce('gone', () => here)
  produce('other')
  produce('gone too', () => here)
  here = false
  proposer.flush()
  expect(answers.sort()).toEqual(['gone DEADLINE', 'gone too DEADLINE', 'other stored'])
  expect(handle.proposed.map(({ commands }) => commands.length)).toEqual([1])
  produce('alone', () => here)
  proposer.flush()
  expect(answers).toContain('alone DEADLINE')
  expect([handle.proposed.length, proposer.waiting]).toEqual([1, false])
})

test('a command that is too large once encoded is refused by its field and never proposed; the next one is', () => {
  const handle = new MemoryHandle()
  const proposer = proposerOf(handle)
  const answers: Answer[] = []
  const message = (bytes: number): NewMessage => ({ channel: 'master', body: new Uint8Array(bytes) })
  const produce = (bytes: number) =>
    proposer.submit({ type: 'produce', messages: [message(bytes)] }, (answer) => answers.push(answer))
  produce(COMMAND_BYTES_MAX)
  expect(answers).toMatchObject([{ type: 'failed', error: { reason: 'INVALID', field: 'messages' } }])
  expect(proposer.waiting).toBe(false)
  produce(COMMAND_BYTES_MAX - 100)
  proposer.flush()
  expect(answers).toMatchObject([{ type: 'failed' }, { type: 'reply', reply: { type: 'produced' } }])
})
