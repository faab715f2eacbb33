import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { WalWrite } from '../../../src/storage/wal/types.ts'
import { settle } from '../manual-env.ts'
import { SimulatedDisk, seededRandom } from '../simulated-disk.ts'
import { entries, hardState, type OpenLog, openLog, write as writeNow } from './harness.ts'
import { Model } from './model.ts'

const OPTIONS = { segmentBytes: 3072, retainBytes: 4096, cacheBytes: 500 }

interface Run {
  readonly disk: SimulatedDisk
  readonly model: Model
  readonly random: () => number
  readonly fsync: boolean
  log: OpenLog
  seed: number
}

function append(run: Run, write: WalWrite): void {
  const k = run.model.append(write)
  run.log.wal.append(write, () => run.model.confirm(k))
}

/** The power goes; recovery itself is interrupted `interruptions` times, at any of its operations. */
async function crash(run: Run, interruptions: number): Promise<void> {
  run.disk.crash(run.random)
  run.disk.capacity = Number.POSITIVE_INFINITY
  for (let i = 0; i < interruptions; i++) {
    run.disk.stopBefore = run.disk.operations + 1 + Math.floor(run.random() * 12)
    void openLog(run.disk, OPTIONS, ++run.seed)
    await settle(60)
    run.disk.crash(run.random)
  }
  await reopen(run)
}

async function reopen(run: Run): Promise<void> {
  run.log = await openLog(run.disk, { ...OPTIONS, fsync: run.fsync }, ++run.seed)
  expect(run.log.damage).toEqual([])
  run.model.adopt(run.log.wal)
}

async function begin(seed: number, fsync = true): Promise<Run> {
  const disk = new SimulatedDisk()
  const log = await openLog(disk, { ...OPTIONS, fsync }, seed)
  return { disk, model: new Model(), random: seededRandom(seed), fsync, log, seed }
}

/** What a small shard goes through: writes of all kinds over several segments, and their release. */
async function scenario(run: Run): Promise<void> {
  const { wal } = run.log
  for (let i = 0; i < 12; i++) {
    append(run, { group: 1, replica: 1001, entries: entries(1 + i * 3, 3, 1, 60), hard: hardState(1, 1, i * 3) })
    if (i % 3 === 0) append(run, { group: 2, replica: 1002, entries: entries(1 + i / 3, 1, 2, 100) })
    if (i === 4) append(run, { group: 1, replica: 1001, entries: entries(10, 6, 2, 30), hard: hardState(2, 1, 9) })
    if (i === 5) append(run, { group: 3, replica: 1003, snapshot: { index: 50, term: 2 }, hard: hardState(2, 0, 50) })
    if (i === 7) append(run, { group: 3, replica: 1003, removed: true })
    if (i === 8) append(run, { group: 3, replica: 1004, entries: entries(1, 2, 4), hard: hardState(4, 3, 0) })
    await settle(i % 2 === 0 ? 12 : 1)
    const last = wal.group(1)?.lastIndex() ?? 0
    if (i % 4 === 3 && last > 10) {
      run.model.release(1, last - 2)
      wal.release(1, { index: last - 2, term: wal.group(1)?.term(last - 2) ?? 0 }, last - 1)
    }
    run.log.env.advance(10)
  }
  await settle(20)
  run.log.env.advance(30)
  await settle(20)
}

async function operationsOfScenario(): Promise<number> {
  const run = await begin(7)
  await scenario(run)
  return run.disk.operations
}

describe('a log whose machine loses power', () => {
  it('loses nothing confirmed, wherever in a scenario the power goes', async () => {
    const operations = await operationsOfScenario()
    expect(operations).toBeGreaterThan(50)
    for (let stop = 8; stop <= operations; stop++) {
      for (const seed of [stop, stop + 10_000]) {
        const run = await begin(7)
        run.disk.stopBefore = stop
        await scenario(run)
        const powered = { ...run, random: seededRandom(seed) }
        await crash(powered, seed % 2)
      }
    }
  }, 60_000)

  it('never finds a batch behind a header that was not durable', async () => {
    for (let seed = 0; seed < 60; seed++) {
      const disk = new SimulatedDisk()
      const { wal } = await openLog(disk, { segmentBytes: 1024 })
      await writeNow(wal, { group: 1, replica: 1, entries: entries(1, 5, 1, 300) })
      disk.fault = (operation, path) =>
        operation === 'datasync' && path.endsWith('2.wal') ? { type: 'hang' } : undefined
      wal.append({ group: 1, replica: 1, entries: entries(6, 1) }, () => undefined)
      await settle()
      expect(wal.stats().segments).toBe(2)
      disk.crash(seededRandom(seed))
      disk.fault = () => undefined
      const again = await openLog(disk, {}, 2)
      expect([again.damage, again.wal.group(1)?.lastIndex()]).toEqual([
        [],
        expect.toSatisfy((last) => last === 5 || last === 6),
      ])
    }
  })

  it('is noticed when batches are not synced', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, async (_, seed) => {
        const run = await begin(seed, false)
        await scenario(run)
        await crash(run, 0)
      }),
    )
    expect(outcomes.some((outcome) => outcome.status === 'rejected')).toBe(true)
  }, 60_000)
})

const operation = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('append'),
      group: fc.nat(2),
      count: fc.integer({ min: 1, max: 6 }),
      bytes: fc.nat(400),
      back: fc.nat(2),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('hard'), group: fc.nat(2) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('snapshot'), group: fc.nat(2), ahead: fc.integer({ min: 1, max: 9 }) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('remove'), group: fc.nat(2) }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('release'), group: fc.nat(2), back: fc.nat(5), follower: fc.nat(9) }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('settle'), turns: fc.integer({ min: 1, max: 15 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('idle', 'full', 'room') }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('close') }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('kill') }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('crash'), interruptions: fc.nat(2) }) },
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

/** Per group: the replica id in use and the term, which only grows. */
interface Clocks {
  readonly replicas: number[]
  term: number
}

async function perform(run: Run, clocks: Clocks, step: Operation): Promise<void> {
  const { wal, env } = run.log
  if ('group' in step) return write(run, clocks, step)
  if ('turns' in step) return settle(step.turns)
  if (step.type === 'full') run.disk.capacity = run.disk.used() + 1500
  if (step.type === 'room') run.disk.capacity = Number.POSITIVE_INFINITY
  if (step.type === 'idle' || step.type === 'full' || step.type === 'room') {
    env.advance(step.type === 'room' ? 600 : 25)
    return settle(8)
  }
  if (step.type === 'close') {
    await wal.close()
    run.disk.capacity = Number.POSITIVE_INFINITY
    return reopen(run)
  }
  if (step.type === 'kill') {
    run.disk.kill()
    run.disk.capacity = Number.POSITIVE_INFINITY
    return reopen(run)
  }
  return crash(run, 'interruptions' in step ? step.interruptions : 0)
}

function write(run: Run, clocks: Clocks, step: Extract<Operation, { group: number }>): void {
  const { group } = step
  const old = run.model.get(group)
  const replica = old?.replica ?? (clocks.replicas[group] ?? 0) + 1
  clocks.replicas[group] = replica
  const last = old?.entries.at(-1)?.index ?? old?.base.index ?? 0
  if ('count' in step) {
    const first = Math.max(
      (old?.base.index ?? 0) + 1,
      run.log.wal.group(group)?.firstIndex() ?? 1,
      last + 1 - step.back,
    )
    if (step.back > 0) clocks.term++
    const added = entries(first, step.count, clocks.term, step.bytes)
    append(run, {
      group,
      replica,
      entries: added,
      ...(step.bytes % 2 === 0 && { hard: hardState(clocks.term, 1, first) }),
    })
  } else if ('ahead' in step) {
    append(run, {
      group,
      replica,
      snapshot: { index: last + step.ahead, term: clocks.term },
      hard: hardState(clocks.term),
    })
  } else if ('follower' in step) {
    release(run, group, step.back, step.follower)
  } else if (step.type === 'remove' && old) {
    append(run, { group, replica, removed: true })
  } else if (step.type === 'hard') {
    append(run, { group, replica, hard: hardState(++clocks.term, group) })
  }
}

function release(run: Run, group: number, back: number, follower: number): void {
  const log = run.log.wal.group(group)
  const known = run.model.get(group)
  const index = (log?.lastIndex() ?? 0) - back
  const term = log?.term(index)
  // A checkpoint covers applied entries only, and those are never overwritten.
  if (!log || term === undefined || known?.entries.find((one) => one.index === index)?.term !== term) return
  run.model.release(group, index)
  run.log.wal.release(group, { index, term }, Math.max(1, index + 1 - follower))
}

describe('a log under random use', () => {
  it('always is what was written up to some point not before the last confirmation', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 60 }), fc.nat(), async (steps, seed) => {
        const run = await begin(seed)
        const clocks = { replicas: [1000, 2000, 3000], term: 1 }
        for (const step of steps) await perform(run, clocks, step)
        expect(run.log.fatal).toEqual([])
        await crash(run, 0)
      }),
      { numRuns: 150 },
    )
  }, 60_000)
})
