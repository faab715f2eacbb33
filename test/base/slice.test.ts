import { beforeEach, expect, test } from 'vitest'
import type { Env } from '../../src/base/env.ts'
import { SLICE_MS } from '../../src/base/limits.ts'
import { Slice } from '../../src/base/slice.ts'

let nowMs: number
let turns: (() => void)[]
let env: Env

beforeEach(() => {
  nowMs = 0
  turns = []
  env = {
    ...{ wallMs: () => 0, random: () => 0, randomBytes: () => new Uint8Array(0) },
    monoMs: () => nowMs,
    after: () => ({ cancel: () => undefined }),
    endOfTurn: (run) => void turns.push(run),
  }
})

/** Ends a turn; what was resumed goes on before the next is. */
async function turn(): Promise<void> {
  const now = turns
  turns = []
  for (const run of now) {
    run()
    for (let i = 0; i < 10; i++) await Promise.resolve()
  }
}

test('works beside each other share the slice of a turn, and each gets on in every turn', async () => {
  const rows = [0, 0, 0]
  let over = false
  const work = async (at: number) => {
    const slice = new Slice(env, 1)
    while (!over) {
      rows[at] = (rows[at] ?? 0) + 1
      nowMs += 0.5
      if (slice.spent()) await slice.rest()
    }
  }
  for (const at of rows.keys()) void work(at)
  for (let i = 0; i < 20; i++) {
    const [before, had] = [nowMs, [...rows]]
    await turn()
    expect(nowMs - before).toBeLessThanOrEqual(SLICE_MS + 3)
    for (const [at, count] of rows.entries()) expect(count).toBeGreaterThan(had[at] ?? 0)
  }
  over = true
})

test('works one behind the other in one turn have one slice between them, what is done with what they bring included', async () => {
  let read = 0
  const scan = async () => {
    const slice = new Slice(env)
    for (let row = 0; row < 10; row++) if (slice.spent()) await slice.rest()
  }
  const load = async () => {
    for (; read < 100; read++) {
      await scan()
      nowMs += 1
    }
  }
  const loaded = load()
  for (let i = 0; i < 1000; i++) await Promise.resolve()
  expect(nowMs).toBeLessThanOrEqual(SLICE_MS + 1)
  while (read < 100) {
    const before = nowMs
    await turn()
    for (let i = 0; i < 1000; i++) await Promise.resolve()
    expect(nowMs - before).toBeLessThanOrEqual(SLICE_MS + 1)
  }
  await loaded
})
