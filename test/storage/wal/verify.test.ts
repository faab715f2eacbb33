import { describe, expect, it } from 'vitest'
import { inspectWal, verifyWal } from '../../../src/storage/wal/verify.ts'
import { SimulatedDisk } from '../simulated-disk.ts'
import { DIR, entries, hardState, openLog, write } from './harness.ts'

async function twoSegments(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  const { wal } = await openLog(disk, { segmentBytes: 2048 })
  await write(wal, { group: 1, replica: 1001, entries: entries(1, 3, 1, 900), hard: hardState(1, 1, 2) })
  await write(wal, { group: 2, replica: 1002, snapshot: { index: 9, term: 2 } })
  disk.kill()
  return disk
}

describe('verifying a log', () => {
  it('tells segments, groups and nothing wrong, and changes no byte', async () => {
    const disk = await twoSegments()
    const before = disk.operations
    const { segments, groups, damage, torn } = await verifyWal(DIR, disk)
    expect(segments.map(({ batches, sealed }) => [batches, sealed])).toEqual([
      [2, true],
      [1, false],
    ])
    expect(groups).toEqual([
      { group: 1, replica: 1001, base: { index: 0, term: 0 }, lastIndex: 3, hard: hardState(1, 1, 2) },
      { group: 2, replica: 1002, base: { index: 9, term: 2 }, lastIndex: 9, hard: undefined },
    ])
    expect([damage, torn]).toEqual([[], undefined])
    expect(disk.operations).toBe(before)
  })

  it('tells a torn last batch from damage', async () => {
    const disk = await twoSegments()
    const path = `${DIR}/0000000002.wal`
    const bytes = disk.contents(path)
    disk.replace(path, bytes.slice(0, bytes.byteLength - 1))
    const result = await verifyWal(DIR, disk)
    expect(result.torn).toMatchObject({ file: path, offset: bytes.byteLength - 512 })
    expect(result.damage).toEqual([])
    disk.contents(`${DIR}/0000000001.wal`)[1000] = 0xff
    expect((await verifyWal(DIR, disk)).damage[0]).toMatchObject({ groups: [1] })
  })

  it('walks through every frame and record', async () => {
    const disk = await twoSegments()
    const lines: string[] = []
    for await (const { kind, sequence, records, footer } of inspectWal(DIR, disk)) {
      const what = records.map(({ group, entries: list }) => `${group}:${list.map(({ index }) => index).join('+')}`)
      lines.push(
        `${kind} ${sequence} [${what.join(' ')}] ${footer?.map(({ group, last }) => `${group}<=${last}`) ?? ''}`,
      )
    }
    expect(lines).toEqual([
      'header 1 [] ',
      'batch 1 [1:1+2+3] ',
      'batch 2 [] 1<=3',
      'header 3 [1:] 1<=3',
      'batch 3 [2:] ',
    ])
  })
})
