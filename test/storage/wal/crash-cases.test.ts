import { describe, expect, it } from 'vitest'
import type { Disk, DiskFile } from '../../../src/storage/disk.ts'
import type { DiskImage } from '../disk-image.ts'
import { settle } from '../manual-env.ts'
import { SimulatedDisk } from '../simulated-disk.ts'
import { checkMoment, crashesAt, type Door, record } from './crash-cases.ts'
import { DIR, entries, hardState, openLog, write } from './harness.ts'
import { WORKLOADS, type Workload } from './workloads.ts'

const CASES_MIN = 10_000

let cases = 0

async function checkAll(workload: Workload, door?: Door): Promise<number> {
  let checked = 0
  const moments = await record(workload, door)
  for (const [at, moment] of moments.entries()) checked += await checkMoment(workload, moment, at, door)
  return checked
}

describe('whenever the machine dies, nothing confirmed is missing and nothing is half there:', () => {
  it.each(WORKLOADS)(
    '$name',
    async (workload) => {
      cases += await checkAll(workload)
    },
    90_000,
  )

  it('a damaged segment is put aside: the replicas it held never come back and are told, the others lose nothing', async () => {
    const images: { readonly before: string; readonly image: DiskImage; readonly confirmed: number }[] = []
    const disk = await damagedLog()
    let confirmed = 2
    disk.before = (operation, path) => {
      images.push({ before: `${operation} ${path.slice(DIR.length + 1)}`, image: disk.image(), confirmed })
    }
    const { wal } = await openLog(disk, DAMAGED_OPTIONS, 7)
    await write(wal, { group: 3, replica: 1003, entries: entries(3, 1, 1, 300) })
    confirmed = 3
    await settle(20)
    await write(wal, { group: 1, replica: 2001, entries: entries(1, 1, 9) })
    await wal.close()
    expect(images.map(({ before }) => before)).toEqual(
      expect.arrayContaining([
        ...['open', 'writev', 'sync', 'rename'].map((operation) => `${operation} DAMAGED.json.new`),
        'rename 0000000001.wal',
      ]),
    )
    for (const [at, { before, image, confirmed: last }] of images.entries()) {
      for (const { name, left } of crashesAt(image, at)) {
        const { wal: again, damage } = await openLog(SimulatedDisk.of(left), DAMAGED_OPTIONS, 1000 + at)
        const told = `moment ${at}, before ${before}; ${name}`
        const lost = again.group(1) ? [2] : [1, 2]
        expect(damage, told).toMatchObject([{ file: `${DIR}/0000000001.wal`, groups: lost, everyGroup: false }])
        expect([1001, 2001], told).toContain(again.group(1)?.replica ?? again.tombstone(1))
        expect([again.tombstone(1), again.group(2), again.tombstone(2)], told).toEqual([1001, undefined, 1002])
        expect(again.group(3)?.lastIndex(), told).toBeGreaterThanOrEqual(last)
        cases++
      }
    }
  })

  it('in ten thousand cases at least', () => {
    expect(cases).toBeGreaterThan(CASES_MIN)
  })
})

const DAMAGED_OPTIONS = { segmentBytes: 2048, retainBytes: 1 << 20 }

/** Groups 1 and 2 have records in the first of three segments, whose middle is not what was written. */
async function damagedLog(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  const { wal } = await openLog(disk, DAMAGED_OPTIONS)
  await write(wal, { group: 1, replica: 1001, entries: entries(1, 2, 1, 300), hard: hardState(1) })
  await write(wal, { group: 2, replica: 1002, entries: entries(1, 4, 1, 300) })
  await write(wal, { group: 3, replica: 1003, entries: entries(1, 2, 1, 1200), hard: hardState(1) })
  await write(wal, { group: 3, replica: 1003, hard: hardState(2) })
  await wal.close()
  const path = `${DIR}/0000000001.wal`
  const bytes = disk.contents(path).slice()
  bytes[1300] = (bytes[1300] ?? 0) ^ 1
  const damaged = SimulatedDisk.of(disk.image())
  damaged.replace(path, bytes)
  return damaged
}

/** Says that it synced, and did not, what `lies` names. */
function liar(disk: Disk, lies: 'syncDir' | 'sync' | 'datasync'): Disk {
  const spoiled = (file: DiskFile): DiskFile => ({
    writev: (buffers, position, done) => file.writev(buffers, position, done),
    datasync: (done) => (lies === 'datasync' ? setImmediate(done, null) : file.datasync(done)),
    sync: () => (lies === 'sync' ? Promise.resolve() : file.sync()),
    readSync: (target, position) => file.readSync(target, position),
    size: () => file.size(),
    truncate: (bytes) => file.truncate(bytes),
    close: () => file.close(),
  })
  return {
    ...disk,
    open: async (path, mode) => spoiled(await disk.open(path, mode)),
    syncDir: (dir) => (lies === 'syncDir' ? Promise.resolve() : disk.syncDir(dir)),
  }
}

describe('it is noticed when', () => {
  it.each([
    ['folders are not synced', 'syncDir'],
    ['batches are not synced', 'datasync'],
    ['new segments and repaired ones are not synced', 'sync'],
  ] as const)(
    '%s',
    async (_name, lies) => {
      const noticed = await Promise.allSettled(
        WORKLOADS.map((workload) => checkAll(workload, (disk) => liar(disk, lies))),
      )
      expect(noticed.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(WORKLOADS.length / 2)
    },
    90_000,
  )
})
