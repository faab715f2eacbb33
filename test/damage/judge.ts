/**
 * Whether damage was dealt with as it must be: named by `verify` and met by the start with the loss of the replicas
 * concerned, and only of those; or harmless for one of the two reasons that docs/formats.md gives, because it lies where
 * nothing means anything or cannot be told from a torn write. Whatever is still offered is what was there.
 */
import { join } from 'node:path'
import { type Damage, type Verification, verifyData } from '../../src/node/examine.ts'
import type { UnusedRange } from '../../src/storage/wal/summary.ts'
import type { DamageCase } from './case.ts'
import type { End } from './ends.ts'
import { holdingsOf, openLogIn, openStateIn, rowsOf, type SoundFolder, STATE_GROUPS } from './sound-folder.ts'

export interface Known {
  readonly sound: SoundFolder
  readonly unused: readonly UnusedRange[]
  /** By file: where its last batch begins, if damage of that cannot be told from a torn write. */
  readonly lastBatches: ReadonlyMap<string, End>
}

export type Verdict = 'named' | 'unused' | 'torn'

/** Throws with what is wrong. `copy` is the damaged copy, which is opened and changed. */
export async function judge(copy: string, damage: DamageCase, known: Known): Promise<Verdict> {
  const report = await verifyData(copy)
  const named = report.damage.filter((one) => names(one, copy, damage))
  const torn = reachesTheEnd(damage, known)
  const unused = isUnused(damage, known)
  if (report.ok && !torn && !unused) throw new Error('verify finds nothing')
  if (!report.ok && named.length === 0 && !torn)
    throw new Error(`verify names another place: ${JSON.stringify(report.damage)}`)
  if (damage.file.endsWith('.wal')) await judgeLog(copy, { report, torn, known })
  else await judgeState(copy, { report, torn, known })
  return named.length > 0 ? 'named' : unused ? 'unused' : 'torn'
}

/**
 * File, place and whose it is as far as anybody can know. The place is where reading failed, which the damage is not in
 * front of. What is gone from the end of LevelDB's list of files shows in groups that lack what another file held.
 */
function names({ file, offset, groups }: Damage, copy: string, damage: DamageCase): boolean {
  if (file !== join(copy, damage.file) || offset === undefined) return false
  // Where bytes were cut out, whatever comes behind is wrong, and which of it is read first is LevelDB's order.
  if (damage.kind !== 'cut' && offset > damage.to) return false
  return groups === undefined || groups.length > 0
}

interface Findings {
  readonly report: Verification
  readonly torn: boolean
  readonly known: Known
}

async function judgeLog(copy: string, { report, torn, known }: Findings): Promise<void> {
  const { wal, damage } = await openLogIn(join(copy, 'shard-0', 'wal'))
  try {
    const lost = new Set(damage.flatMap(({ groups }) => groups))
    if (damage.length > 0 !== !report.ok) throw new Error('verify and start do not agree')
    const held = holdingsOf(wal)
    for (const [group, was] of known.sound.log) {
      if (lost.has(group) && wal.tombstone(group) === undefined)
        throw new Error(`group ${group} is lost but may come back`)
      if (lost.has(group) || held.get(group) === was) continue
      // Without its last batches it is what it once was; before its first one it was not there.
      const now = held.get(group)
      if (torn && (now === undefined || known.sound.before.get(group)?.has(now))) continue
      throw new Error(`group ${group} is ${held.has(group) ? 'another' : 'gone'} and nobody says so`)
    }
    for (const group of held.keys()) {
      if (!known.sound.log.has(group)) throw new Error(`group ${group} comes out of nowhere`)
    }
  } finally {
    await wal.close()
  }
}

/** An old checkpoint is fine where its group was named: the log reaches from there, or the start asks for a snapshot. */
async function judgeState(copy: string, { report, torn, known }: Findings): Promise<void> {
  const store = await openStateIn(join(copy, 'shard-0', 'state'))
  const mayBeOld = (group: number) =>
    torn || report.damage.some(({ groups }) => groups === undefined || groups.includes(group))
  try {
    for (const group of STATE_GROUPS) {
      const held = await rowsOf(store, group).catch((error: unknown) => `damaged: ${error}`)
      if (typeof held === 'string') continue
      const checkpoints = known.sound.state.get(group) ?? new Map<number, string>()
      if (held === undefined) {
        if (mayBeOld(group)) continue
        throw new Error(`group ${group} is gone and nobody says so`)
      }
      if (checkpoints.get(held.applied) !== held.rows) throw new Error(`group ${group} has rows that never were`)
      const newest = Math.max(...checkpoints.keys())
      if (held.applied !== newest && !mayBeOld(group)) throw new Error(`group ${group} is old and nobody says so`)
    }
  } finally {
    await store.close()
  }
}

function isUnused({ file, from, to, kind }: DamageCase, { unused, sound }: Known): boolean {
  const ranges = unused.filter((range) => range.file === join(sound.dir, file))
  // What is cut out moves all that follows it.
  return ranges.some((range) => range.from <= from && (kind === 'cut' || to <= range.to))
}

/**
 * In the last batch, or up to its end. Into it counts as well where the head of what was hit first is gone, or where what
 * follows has moved: nobody can then tell how far that reached (docs/formats.md).
 */
function reachesTheEnd({ file, kind, from, to }: DamageCase, { lastBatches }: Known): boolean {
  const last = lastBatches.get(file)
  if (last === undefined || to <= last.from || from >= last.to) return false
  if (from >= last.from || to >= last.end || kind === 'cut') return true
  const first = last.heads.findLast((head) => head.from <= from)
  return first !== undefined && from < first.to
}
