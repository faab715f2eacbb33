/** The view over the real state store in memory: layers, a checkpoint with rows of a later time above it, a restart. */
import { expect, test } from 'vitest'
import { MemoryDisk } from '../../../src/storage/state/memory-database.ts'
import { memoryStateStore } from '../../../src/storage/state/store.ts'
import type { GroupState } from '../../../src/storage/state/types.ts'
import { encodeTimerCommand } from '../../../src/views/timer/codec.ts'
import type { TimerCommand } from '../../../src/views/timer/commands.ts'
import { createTimerView, type TimerView } from '../../../src/views/timer/timer-view.ts'
import { testEnv } from '../../storage/state/fixture.ts'
import { flush } from '../flushed.ts'
import { reload } from '../reload.ts'
import { G, text } from './partition-driver.ts'

const META = {
  term: 1,
  confState: { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
}

test('after a checkpoint and a restart the view goes on where its rows stand', async () => {
  const disk = new MemoryDisk()
  const before = memoryStateStore(testEnv(), disk)
  const store = await before.group(1_000)
  const view = createTimerView()
  const messages = ['a', 'b', 'c'].map((body) => ({ channel: 'master', body: text(body) }))
  const positions = [1, 2, 3].map((index) => ({ due: 50, index }))
  apply(view, store, { type: 'attach', ...G, consumer: 'c', session: 's', start: { type: 'earliest' } })
  apply(view, store, { type: 'produce', messages })
  const run = { session: 's', leaseMs: 100, positions: positions.slice(0, 2), again: [] }
  const after = { due: 0, index: 0 }
  apply(view, store, { type: 'deliver', ...G, after, to: { due: 50, index: 2 }, runs: [run], parked: [] })
  flush(view, store)
  const written = store.checkpoint({ ...META, applied: 3, lastAt: 50 })
  // Applied while the checkpoint is on its way, lost by the restart, replayed from the log.
  const ack: TimerCommand = { type: 'ack', ...G, items: [{ index: 1, fence: 1 }] }
  apply(view, store, ack)
  await written
  await before.close()

  const again = memoryStateStore(testEnv(), disk)
  const reopened = await again.group(1_000)
  const loaded = await reload(createTimerView(), reopened)
  expect(loaded.group(G)?.leased).toBe(2)
  expect(apply(loaded, reopened, ack)).toEqual({ type: 'settled', lost: [], done: 1 })
  const range = { after, to: { due: 50, index: 9 } }
  const read = await loaded.scan(reopened, 'master', range, 10, 1_000)
  expect(read).toEqual(messages.map((message, i) => ({ ...message, ...positions[i] })))
  expect((await loaded.find(reopened, { due: 50, index: 3 }))?.body).toEqual(text('c'))
  await again.close()
})

function apply(view: TimerView, store: GroupState, command: TimerCommand) {
  return view.apply(encodeTimerCommand(command), { at: 50, index: 1, store }).reply
}
