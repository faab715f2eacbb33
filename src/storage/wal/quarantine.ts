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
const FORMAT = 1
/** Places remembered; a disk with more of them is to be replaced. */
const PLACES_MAX = 100

export interface Quarantined extends Omit<WalDamage, 'groups'> {
  readonly lost: readonly { readonly group: GroupId; readonly replica: ReplicaId }[]
}

/** Groups ascending, each once. */
export function damageOf({ lost, ...place }: Quarantined): WalDamage {
  return { ...place, groups: [...new Set(lost.map(({ group }) => group))].sort((a, b) => a - b) }
}

/**
 * What is remembered in `dir`, whether it still matters or not. A file that is damaged itself speaks for every group.
 * Throws UNSUPPORTED for a format of a later version.
 */
export async function readQuarantine(disk: Disk, dir: string, names: readonly string[]): Promise<Quarantined[]> {
  if (!names.includes(QUARANTINE_NAME)) return []
  const path = `${dir}/${QUARANTINE_NAME}`
  const file = await disk.open(path, 'read')
  try {
    const bytes = Buffer.alloc(await file.size())
    file.readSync(bytes, 0)
    const kept = unsealJson<{ places: Quarantined[] }>(bytes.toString(), { format: FORMAT, names: ['places'], path })
    if (kept !== undefined) return kept.places
  } finally {
    await file.close()
  }
  return [{ file: path, offset: 0, reason: 'it cannot be read', lost: [], everyGroup: true }]
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
export function joined(kept: readonly Quarantined[], found: readonly Quarantined[]): Quarantined[] {
  const places = new Map(kept.map((place) => [keyOf(place), place]))
  for (const place of found) {
    const before = places.get(keyOf(place))
    if (before === undefined) places.set(keyOf(place), place)
    // An earlier run died before its first batch: what it had given up then is no news to the log.
    else places.set(keyOf(place), { ...before, lost: [...before.lost, ...place.lost] })
  }
  return [...places.values()]
}

/** Replaces what is remembered, durably. */
export async function saveQuarantine(disk: Disk, dir: string, all: readonly Quarantined[]): Promise<void> {
  const places = all.slice(-PLACES_MAX)
  const unborn = `${dir}/${QUARANTINE_NAME}${UNBORN_SUFFIX}`
  const file = await disk.open(unborn, 'create')
  try {
    await writeAll(file, [Buffer.from(sealJson(FORMAT, { places }))], 0)
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
