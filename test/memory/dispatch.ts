/** What leaders keep of messages that wait to be handed out. */
import { LOOK_AHEAD_BYTES_MAX, WINDOW_BYTES_MAX } from '../../src/base/limits.ts'
import { LookAheadBudget } from '../../src/broker/dispatcher/memory/look-ahead-budget.ts'
import { ChannelWindows } from '../../src/broker/dispatcher/windows/channel-windows.ts'
import type { KnownMessage } from '../../src/broker/dispatcher/windows/sorted-messages.ts'
import type { Position } from '../../src/views/timer/commands.ts'
import { MIB, type Scenarios } from './scenario.ts'

const ROWS = 1024
const START = { due: 0, index: 0 }

/** A store of messages of 2 KiB without end; each read makes its rows anew. */
async function endless({ index }: Position): Promise<readonly KnownMessage[]> {
  return Array.from({ length: ROWS }, (_, i) => ({
    due: index + i + 1,
    index: index + i + 1,
    body: new Uint8Array(2048),
  }))
}

function channel(scan: (after: Position) => Promise<readonly KnownMessage[]>, budget: LookAheadBudget) {
  return new ChannelWindows<object>({ scan, now: () => Number.POSITIVE_INFINITY, budget })
}

function budget(): LookAheadBudget {
  return new LookAheadBudget(LOOK_AHEAD_BYTES_MAX, WINDOW_BYTES_MAX)
}

export const DISPATCH = {
  /** Due, and nobody has credit: each came in an entry of 1 MiB that had other things in it. */
  async dueMessagesOfLargeEntries() {
    const windows = channel(async () => [], budget())
    await windows.use({}, START).fill(START)
    for (let i = 1; i <= 400; i++) {
      windows.stored([{ due: i, index: i, body: new Uint8Array(MIB).subarray(100, 1124) }], i)
    }
    return windows
  },

  async windowsOfManyGroups() {
    const shared = budget()
    const channels = Array.from({ length: 200 }, () => channel(endless, shared))
    for (const windows of channels) await windows.use({}, START).fill(START)
    return channels
  },
} satisfies Scenarios
