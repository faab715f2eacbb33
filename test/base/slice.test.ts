import { expect, test } from 'vitest'
import type { Env } from '../../src/base/env.ts'
import { SLICE_MS } from '../../src/base/limits.ts'
import { Slice } from '../../src/base/slice.ts'

test('works beside each other share the slice of a turn, and each gets on in every turn', async () => {
  let nowMs = 0
  let turns: (() => void)[] = []
  const env: Env = {
    ...{ wallMs: () => 0, random: () => 0, randomBytes: () => new Uint8Array(0) },
    monoMs: () => nowMs,
    after: () => ({ cancel: () => undefined }),
    endOfTurn: (run) => void turns.push(run),
  }
  const rows = [0, 0, 0]
  const work = async (at: number) => {
    const slice = new Slice(env, 1)
    for (;;) {
      rows[at] = (rows[at] ?? 0) + 1
      nowMs += 0.5
      if (slice.spent()) await slice.rest()
    }
  }
  for (const at of rows.keys()) void work(at)
  for (let turn = 0; turn < 20; turn++) {
    const [before, had] = [nowMs, [...rows]]
    const now = turns
    turns = []
    for (const run of now) {
      run()
      // What was resumed goes on before the next.
      await Promise.resolve()
    }
    expect(nowMs - before).toBeLessThanOrEqual(SLICE_MS + 3)
    for (const [at, count] of rows.entries()) expect(count).toBeGreaterThan(had[at] ?? 0)
  }
})
