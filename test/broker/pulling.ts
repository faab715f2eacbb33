/** Pulls of one group for tests, and what came of them. */
import { expect } from 'vitest'
import type { DeliveredMessage } from '../../src/broker/dispatcher/groups/live-session.ts'
import type { Pull, PullOutcome, PullSpec } from '../../src/broker/pull.ts'
import type { GroupView } from '../../src/views/timer/queries.ts'
import type { Harness } from './harness.ts'

export const group = { channel: 'master', group: 'g' }
let pulls = 0

export interface Pulling {
  readonly pull: Pull
  readonly outcome: () => PullOutcome | undefined
  readonly got: () => readonly DeliveredMessage[]
}

export function pull(h: Harness, spec: Partial<PullSpec> = {}): Pulling {
  let outcome: PullOutcome | undefined
  let times = 0
  const session = Buffer.from(`pull${++pulls}`.padEnd(16, '.')).toString('hex')
  const base = { ...group, consumer: 'c', session, leaseMs: 10_000, max: 10, impatient: false }
  const pull = h.partition.pull({ ...base, start: { type: 'earliest' }, ...spec }, (given) => {
    times += 1
    expect(times).toBe(1)
    outcome = given
  })
  return { pull, outcome: () => outcome, got: () => (outcome?.type === 'pulled' ? outcome.messages : []) }
}

export function view(h: Harness, name = group): GroupView | undefined {
  return h.handle.view.group(name)
}

/** The group exists and nobody is attached to it. */
export async function begun(h: Harness, name = group): Promise<void> {
  const first = pull(h, { ...name, impatient: true })
  await h.time.run(1)
  expect([first.got(), view(h, name)?.sessions()]).toEqual([[], []])
}
