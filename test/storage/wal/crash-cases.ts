/**
 * Every way in which the power may go at one moment: after each prefix of what no sync covered, with seeded subsets of it
 * (torn writes among them), or not at all, with a process that dies alone. Each is recovered and held against what had
 * been promised by then.
 */
import { expect } from 'vitest'
import type { Disk } from '../../../src/storage/disk.ts'
import type { WalOptions } from '../../../src/storage/wal/open.ts'
import type { WalWrite } from '../../../src/storage/wal/types.ts'
import { afterCut, type DiskImage, type Spared, sparedBy, unsynced } from '../disk-image.ts'
import { settle } from '../manual-env.ts'
import { SimulatedDisk, seededRandom } from '../simulated-disk.ts'
import { entries, hardState, openLog } from './harness.ts'
import { type Moment, Recorder } from './recorder.ts'
import type { Workload } from './workloads.ts'

const SUBSETS = 32
/** Every so many cases the recovered log works on and loses power again. */
const GOES_ON_EVERY = 5
const NOTHING: Spared = { name: () => false, contents: () => [] }

/** A disk as a process sees it, perhaps one that does not keep its promises. */
export type Door = (disk: Disk) => Disk

export async function record(workload: Workload, door: Door = (disk) => disk): Promise<readonly Moment[]> {
  const recorder = new Recorder(workload.options, door)
  await recorder.open()
  await workload.run(recorder)
  await recorder.close()
  return recorder.moments
}

/** Checks every case of a moment; returns their number, rejects with the first that fails. */
export async function checkMoment(workload: Workload, moment: Moment, at: number, door?: Door): Promise<number> {
  let cases = 0
  for (const { name, left } of crashesAt(moment.image, at)) {
    try {
      await recovers({ workload, moment, disk: SimulatedDisk.of(left), seed: at * 1000 + cases, door })
    } catch (error) {
      const told = error instanceof Error ? error.message : String(error)
      throw new Error(`${workload.name}; moment ${at}, before ${moment.before}; ${name}: ${told}`, { cause: error })
    }
    cases++
  }
  return cases
}

/** What may be left of `image`; `seed`: other subsets. */
export function* crashesAt(
  image: DiskImage,
  seed: number,
): Iterable<{ readonly name: string; readonly left: DiskImage }> {
  const changes = unsynced(image)
  yield { name: 'the process dies', left: image }
  for (let kept = 0; kept <= changes.length; kept++) {
    const orders = new Set(changes.slice(0, kept).map(({ order }) => order))
    const spared: Spared = {
      name: ({ order }) => orders.has(order),
      contents: (all) => all.filter(({ order }) => orders.has(order)),
    }
    const name = `the first ${kept} of ${changes.length} unsynced changes are left`
    yield { name, left: afterCut(image, spared) }
  }
  for (let i = 0; changes.length > 0 && i < SUBSETS; i++) {
    yield { name: `subset ${i} is left`, left: afterCut(image, sparedBy(seededRandom(seed * SUBSETS + i))) }
  }
}

interface Case {
  readonly workload: Workload
  readonly moment: Moment
  readonly disk: SimulatedDisk
  readonly seed: number
  readonly door: Door | undefined
}

/** Opens twice: what the first opening offered must still be there after the power went right behind it. */
async function recovers({ workload, moment, disk, seed, door }: Case): Promise<void> {
  const model = moment.model.copy()
  const first = await openOn(disk, workload.options, seed, door)
  expect(first.damage).toEqual([])
  model.adopt(first.wal)
  expect(moment.promises.broken(first.wal)).toBeUndefined()
  if (seed % GOES_ON_EVERY === 0) {
    for (const log of first.wal.groups()) {
      const { group, replica } = log
      const write: WalWrite = { group, replica, entries: entries(log.lastIndex() + 1, 2, 99), hard: hardState(99) }
      const k = model.append(write)
      first.wal.append(write, () => model.confirm(k))
    }
    await settle(12)
  }
  disk.cut(NOTHING)
  const second = await openOn(disk, workload.options, seed + 500, door)
  expect(second.damage).toEqual([])
  model.adopt(second.wal)
  expect([first.fatal, second.fatal]).toEqual([[], []])
}

function openOn(disk: SimulatedDisk, options: Partial<WalOptions>, seed: number, door: Door = (one) => one) {
  return openLog(door(disk.boot()), options, seed)
}
