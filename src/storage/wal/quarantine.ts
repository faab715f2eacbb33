/**
 * Remembers damage of the log in `DAMAGED.json` beside the segments: a tombstone says for good that a replica is gone,
 * but not why, and the damaged file is put aside. Invariant: durable before the tombstones are. (docs/formats.md)
 */
import type { GroupId, ReplicaId } from '../../base/ids.ts'
import type { Disk } from '../disk.ts'
import { sealJson, unsealJson } from '../sealed-json.ts'
import type { Registry } from './registry.ts'
import { UNBORN_SUFFIX } from './segment.ts'
import type { WalDamage } from './types.ts'
import { discard, fullSync, writeAll } from './write-all.ts'

export const QUARANTINE_NAME = 'DAMAGED.json'
const FORMAT = 2
const FORMATS = { 1: ['places'], [FORMAT]: ['places', 'lostBelow'] } as const
/** Places remembered; a disk with more of them is to be replaced. */
const PLACES_MAX = 100

export interface Quarantined extends Omit<WalDamage, 'groups'> {
  readonly lost: readonly { readonly group: GroupId; readonly replica: ReplicaId }[]
}

/** What is remembered of all damage. */
export interface Remembered {
  readonly places: readonly Quarantined[]
  /** A replica lost where nobody knows which were there has a lower id; infinite as long as that is all that is known. */
  readonly lostBelow: ReplicaId
}

/** As it is written: an infinite number is null there, and the first format has none. */
interface Kept {
  readonly places: readonly Quarantined[]
  readonly lostBelow?: ReplicaId | null
}

/** Groups ascending, each once. */
export function damageOf({ lost, ...place }: Quarantined): WalDamage {
  return { ...place, groups: [...new Set(lost.map(({ group }) => group))].sort((a, b) => a - b) }
}

/**
 * What is remembered in `dir`, whether it still matters or not. A file that is damaged itself speaks for every group.
 * Throws UNSUPPORTED for a format of a later version.
 */
export async function readQuarantine(disk: Disk, dir: string, names: readonly string[]): Promise<Remembered> {
  if (!names.includes(QUARANTINE_NAME)) return { places: [], lostBelow: Number.POSITIVE_INFINITY }
  const path = `${dir}/${QUARANTINE_NAME}`
  const file = await disk.open(path, 'read')
  try {
    const bytes = Buffer.alloc(await file.size())
    file.readSync(bytes, 0)
    const kept = unsealJson<Kept>(bytes.toString(), { formats: FORMATS, path })
    if (kept !== undefined) return { places: kept.places, lostBelow: kept.lostBelow ?? Number.POSITIVE_INFINITY }
  } finally {
    await file.close()
  }
  const unreadable = { file: path, offset: 0, reason: 'it cannot be read', lost: [], everyGroup: true }
  return { places: [unreadable], lostBelow: Number.POSITIVE_INFINITY }
}

/** What still matters of `places`: replicas in whose place no later one of their group has come. */
export function stillLost(places: readonly Quarantined[], registry: Registry): Quarantined[] {
  return places.flatMap((place) => {
    const lost = place.lost.filter(({ group, replica }) => {
      return registry.get(group) === undefined && (registry.tombstone(group) ?? 0) <= replica
    })
    return lost.length > 0 || place.everyGroup ? [{ ...place, lost }] : []
  })
}

/** Both, each place once with all that was lost there. */
export function joined(kept: Remembered, found: readonly Quarantined[]): Remembered {
  const places = new Map(kept.places.map((place) => [keyOf(place), place]))
  let { lostBelow } = kept
  for (const place of found) {
    const before = places.get(keyOf(place))
    // Replicas came to this node since what is remembered was found.
    if (place.everyGroup && !before?.everyGroup) lostBelow = Number.POSITIVE_INFINITY
    if (before === undefined) places.set(keyOf(place), place)
    // An earlier run died before its first batch: what it had given up then is no news to the log.
    else places.set(keyOf(place), { ...before, lost: [...before.lost, ...place.lost] })
  }
  return { places: [...places.values()], lostBelow }
}

/** Replaces what is remembered, durably. */
export async function saveQuarantine(disk: Disk, dir: string, all: Remembered): Promise<void> {
  const { lostBelow } = all
  const places = all.places.slice(-PLACES_MAX)
  const unborn = `${dir}/${QUARANTINE_NAME}${UNBORN_SUFFIX}`
  const file = await disk.open(unborn, 'create')
  try {
    await writeAll(file, [Buffer.from(sealJson(FORMAT, { places, lostBelow }))], 0)
    await fullSync(file)
  } catch (error) {
    await discard(disk, file, unborn)
    throw error
  }
  await file.close()
  await disk.rename(unborn, `${dir}/${QUARANTINE_NAME}`)
  await disk.syncDir(dir)
}

function keyOf({ file, offset }: Quarantined): string {
  return `${offset} ${file}`
}
