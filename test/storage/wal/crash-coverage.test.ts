/** That the workloads of the crash cases reach what can go wrong: every operation on every kind of file, every record. */
import { beforeAll, expect, it } from 'vitest'
import { inspectWal } from '../../../src/storage/wal/verify.ts'
import { SimulatedDisk } from '../simulated-disk.ts'
import { record } from './crash-cases.ts'
import { DIR } from './harness.ts'
import type { Moment } from './recorder.ts'
import { WORKLOADS } from './workloads.ts'

const moments: Moment[] = []

beforeAll(async () => {
  for (const workload of WORKLOADS) moments.push(...(await record(workload)))
}, 60_000)

it('the machine dies before every operation that changes or syncs something, on every kind of file', () => {
  const found = new Set(moments.map(({ before }) => before.replace(/\d+/, 'N')))
  expect([...found].sort()).toEqual([
    'datasync N.wal',
    'makeDir wal',
    'nothing',
    'open N.wal.new',
    'open reserve',
    'open spare.new',
    'remove N.wal',
    'remove N.wal.new',
    'remove reserve',
    'remove spare.new',
    'rename N.wal.new',
    'rename spare.new',
    'sync N.wal',
    'sync N.wal.new',
    'sync reserve',
    'sync spare.new',
    'syncDir data',
    'syncDir shard-N',
    'syncDir wal',
    'truncate N.wal',
    'writev N.wal',
    'writev N.wal.new',
    'writev reserve',
    'writev spare.new',
  ])
})

it('it dies over every kind of record: sealed segments, copies, bases, snapshot marks, tombstones', async () => {
  const found = new Set<string>()
  for (const { image } of moments) for (const kind of await kindsOn(SimulatedDisk.of(image))) found.add(kind)
  expect([...found].sort()).toEqual([
    'batch base',
    'batch base entries',
    'batch entries',
    'batch entries hard',
    'batch footer',
    'batch hard',
    'batch mark',
    'batch mark entries hard',
    'batch mark hard',
    'batch removed',
    'header base',
    'header base hard',
    'header footer',
    'header removed',
  ])
})

async function kindsOn(disk: SimulatedDisk): Promise<readonly string[]> {
  const kinds: string[] = []
  if (!disk.paths().some((path) => path.endsWith('.wal'))) return kinds
  for await (const { kind, footer, records } of inspectWal(DIR, disk.boot())) {
    if (footer) kinds.push(`${kind} footer`)
    for (const { removed, mark, base, entries, hard } of records) {
      const parts = { removed, mark, base, entries: entries.length > 0, hard }
      const there = Object.entries(parts).flatMap(([name, part]) => (part ? [name] : []))
      kinds.push([kind, ...there].join(' '))
    }
  }
  return kinds
}
