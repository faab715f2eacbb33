/** Scripts of what logs go through, each short, together every kind of record, every file operation and every cause of them. */
import type { WalOptions } from '../../../src/storage/wal/open.ts'
import { entries, hardState } from './harness.ts'
import type { Recorder } from './recorder.ts'

export interface Workload {
  readonly name: string
  readonly options: Partial<WalOptions>
  readonly run: (log: Recorder) => Promise<void>
}

const BATCH_TURNS = 8
const SMALL = { segmentBytes: 4096, retainBytes: 0, cacheBytes: 500 }

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'groups append beside each other, several in one batch, some while another batch is on its way',
    options: { segmentBytes: 1 << 20 },
    run: async (log) => {
      for (let i = 0; i < 8; i++) {
        const hard = hardState(1, 1, i * 2)
        await log.append(i % 3 === 2 ? 1 : BATCH_TURNS, {
          group: 1,
          replica: 1001,
          entries: entries(1 + i * 2, 2),
          hard,
        })
        await log.append(
          i % 2 === 0 ? BATCH_TURNS : 2,
          { group: 2, replica: 1002, entries: entries(1 + i, 1, 3, 700), hard: hardState(3, 2, i) },
          { group: 3 + i, replica: 1010 + i, hard: hardState(i + 1, 0, 0) },
        )
      }
      await log.append(BATCH_TURNS, { group: 9, replica: 1016, entries: entries(1, 3, 7, 0), hard: hardState(7, 1, 0) })
      await log.advance(25)
    },
  },
  {
    name: 'hard states move alone: terms, votes, commits',
    options: { segmentBytes: 2048 },
    run: async (log) => {
      await log.append(BATCH_TURNS, { group: 1, replica: 1001, entries: entries(1, 6) })
      for (let term = 1; term <= 3; term++) {
        await log.append(BATCH_TURNS, { group: 1, replica: 1001, hard: hardState(term, 0, term - 1) })
        await log.append(BATCH_TURNS, { group: 1, replica: 1001, hard: hardState(term, term % 3, term) })
        await log.advance(25)
      }
    },
  },
  {
    name: 'a new leader overwrites what was not committed, within a segment and over several',
    options: { ...SMALL, segmentBytes: 2048 },
    run: async (log) => {
      let last = 0
      for (let term = 1; term <= 7; term++) {
        const first = Math.max(1, last - 2)
        const hard = hardState(term, 1, first - 1)
        await log.append(BATCH_TURNS, { group: 1, replica: 1001, entries: entries(first, 5, term, 90), hard })
        await log.append(2, { group: 2, replica: 1002, entries: entries(1, 2, term, 300), hard: hardState(term) })
        last = first + 4
      }
      await log.advance(25, 20)
    },
  },
  {
    name: 'segments are sealed and begun, from a spare file and without one',
    options: { ...SMALL, segmentBytes: 2048, retainBytes: 1 << 20 },
    run: async (log) => {
      for (let i = 0; i < 8; i++) {
        const hard = hardState(1, 1, i)
        await log.append(i < 4 ? 30 : 2, {
          group: 1 + (i % 2),
          replica: 1001 + (i % 2),
          entries: entries(1 + (i >> 1), 1, 1, 900),
          hard: { ...hard, commit: i >> 1 },
        })
      }
      await log.append(30, { group: 3, replica: 1003, entries: entries(1, 1, 1, 5000) })
      await log.advance(25, 30)
    },
  },
  {
    name: 'segments go, with and without live entries to copy',
    options: SMALL,
    run: async (log) => {
      await log.append(BATCH_TURNS, {
        group: 9,
        replica: 1009,
        entries: entries(1, 2, 1, 40),
        hard: hardState(1, 1, 2),
      })
      await log.append(BATCH_TURNS, { group: 8, replica: 1008, hard: hardState(6, 2, 0) })
      for (let i = 0; i < 10; i++) {
        const hard = hardState(1, 1, (i + 1) * 3)
        await log.append(BATCH_TURNS, { group: 1, replica: 1001, entries: entries(1 + i * 3, 3, 1, 500), hard })
        // What is copied goes on in a later segment.
        if (i === 3) await log.append(BATCH_TURNS, { group: 9, replica: 1009, entries: entries(3, 1, 1, 40) })
        if (i === 4) await log.release(9, 1)
        if (i > 2) await log.release(1, i * 3)
      }
      await log.release(9, 3)
      await log.advance(25, 30)
    },
  },
  {
    name: 'a snapshot replaces a log, and the log goes on behind it',
    options: { ...SMALL, segmentBytes: 2048 },
    run: async (log) => {
      for (const [at, term] of [
        [50, 2],
        [90, 4],
        [130, 6],
      ] as const) {
        const last = at === 50 ? 0 : at - 29
        const one = { group: 1, replica: 1001 }
        const hard = hardState(term - 1, 1, last)
        await log.append(BATCH_TURNS, { ...one, entries: entries(last + 1, 3, term - 1, 300), hard })
        await log.append(BATCH_TURNS, { ...one, snapshot: { index: at, term }, hard: hardState(term, 0, at) })
        await log.append(2, { ...one, entries: entries(at + 1, 2, term, 400), hard: hardState(term, 2, at + 1) })
        await log.append(
          BATCH_TURNS,
          { group: 2, replica: 1002, snapshot: { index: at, term: 1 } },
          { group: 3, replica: 1003, entries: entries(term - 1, 2) },
        )
        await log.release(1, at + 1)
        const snapshot = { index: at + 10, term }
        await log.append(2, { ...one, snapshot, entries: entries(at + 11, 1, term), hard: hardState(term, 2, at + 10) })
      }
      await log.advance(25, 20)
    },
  },
  {
    name: 'replicas go for good and come back under other ids',
    options: { ...SMALL, segmentBytes: 2048 },
    run: async (log) => {
      await log.append(BATCH_TURNS, { group: 4, replica: 1004, entries: entries(1, 2), hard: hardState(1) })
      await log.append(BATCH_TURNS, { group: 4, replica: 1004, removed: true })
      for (let life = 0; life < 4; life++) {
        const replica = 1011 + life
        await log.append(BATCH_TURNS, {
          group: 1,
          replica,
          entries: entries(1, 4, 9 - life, 200),
          hard: hardState(9 - life, 1, 2),
        })
        await log.append(BATCH_TURNS, { group: 2, replica: 1102, entries: entries(1 + life, 1, 1, 300) })
        if (life < 3) await log.append(life === 1 ? 0 : BATCH_TURNS, { group: 1, replica, removed: true })
        await log.release(2, life)
      }
      await log.append(
        BATCH_TURNS,
        { group: 2, replica: 1102, removed: true },
        { group: 3, replica: 1103, hard: hardState(1) },
      )
      await log.advance(25, 30)
    },
  },
  {
    name: 'the disk is full twice, at a batch and at a new segment, and has room again',
    options: { ...SMALL, segmentBytes: 2048, reserveBytes: 1024 },
    run: async (log) => {
      await log.append(30, { group: 1, replica: 1001, entries: entries(1, 2, 1, 300), hard: hardState(1, 1, 1) })
      for (let i = 0; i < 3; i++) {
        log.disk.capacity = log.disk.used() + 700 - i * 200
        await log.append(20, {
          group: 1,
          replica: 1001,
          entries: entries(3 + i * 2, 2, 1, 700),
          hard: hardState(1, 1, 2 + i * 2),
        })
        await log.append(4, { group: 2, replica: 1002, entries: entries(1 + i, 1, 1, 100) })
        await log.advance(600)
        log.disk.capacity = Number.POSITIVE_INFINITY
        await log.advance(600, 20)
        await log.advance(1000, 20)
      }
      await log.advance(25)
    },
  },
  {
    name: 'on a full disk the newest segment is sealed early and goes',
    options: { segmentBytes: 16_384, retainBytes: 1 << 20, reserveBytes: 1024 },
    run: async (log) => {
      await log.append(30, { group: 1, replica: 1001, entries: entries(1, 3, 1, 600), hard: hardState(1, 1, 3) })
      await log.append(BATCH_TURNS, { group: 2, replica: 1002, entries: entries(1, 2, 1, 20) })
      for (let i = 0; i < 2; i++) {
        const [first, hard] = [4 + i * 2, hardState(1, 1, 3 + i * 2)]
        log.disk.capacity = log.disk.used() + 900
        await log.append(20, { group: 1, replica: 1001, entries: entries(first, 2, 1, 1500), hard })
        await log.advance(1000)
        await log.release(1, first - 1)
        await log.release(2, 1)
        for (let s = 0; s < 3; s++) await log.advance(1000, 30)
        log.disk.capacity = Number.POSITIVE_INFINITY
        await log.advance(600, 30)
      }
      log.disk.capacity = Number.POSITIVE_INFINITY
      await log.advance(1000, 30)
    },
  },
  {
    name: 'the power goes again and again, in the middle of work and of recovery',
    options: SMALL,
    run: async (log) => {
      for (let i = 0; i < 5; i++) {
        const first = (log.wal.group(1)?.lastIndex() ?? 0) + 1
        await log.append(BATCH_TURNS, {
          group: 1,
          replica: 1001,
          entries: entries(first, 3, i + 1, 400),
          hard: hardState(i + 1, 1, first - 1),
        })
        await log.append(i, { group: 1, replica: 1001, entries: entries(first + 3, 2, i + 1, 600) })
        if (i === 3) await log.kill()
        else await log.powerCut(100 + i)
      }
    },
  },
  {
    name: 'a sync fails: the process stops, and the next one finds pages that no sync will write any more',
    options: SMALL,
    run: async (log) => {
      for (let i = 0; i < 5; i++) {
        const first = (log.wal.group(1)?.lastIndex() ?? 0) + 1
        const one = { group: 1, replica: 1001 }
        await log.append(BATCH_TURNS, {
          ...one,
          entries: entries(first, 2, i + 1, 400),
          hard: hardState(i + 1, 1, first - 1),
        })
        let left = 1
        log.disk.fault = (operation) =>
          operation === 'datasync' && left-- > 0 ? { type: 'error', code: 'EIO' } : undefined
        await log.append(BATCH_TURNS, {
          ...one,
          entries: entries(first + 2, 2, i + 1, 400),
          hard: hardState(i + 1, 1, first),
        })
        await log.kill()
      }
    },
  },
]
