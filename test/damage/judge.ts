/**
 * Whether damage was dealt with as it must be: named by `verify` and met by the start with the loss of the replicas
 * concerned, and only of those; or harmless for one of the two reasons that docs/formats.md gives, because it lies where
 * nothing means anything or cannot be told from a torn write. Whatever is still offered is what was there.
 */
import { join } from 'node:path'
import { type Damage, type Verification, verifyData } from '../../src/node/examine.ts'
import type { UnusedRange } from '../../src/storage/wal/summary.ts'
import type { DamageCase } from './case.ts'
import { holdingsOf, openLogIn, openStateIn, rowsOf, type SoundFolder, STATE_GROUPS } from './sound-folder.ts'

export interface Known {
  readonly sound: SoundFolder
  readonly unused: readonly UnusedRange[]
  /** By file: where its last batch begins, if damage of that cannot be told from a torn write. */
  readonly lastBatches: ReadonlyMap<string, { readonly from: number; readonly end: number }>
}

export type Verdict = 'named' | 'unused' | 'torn'

/** Throws with what is wrong. `copy` is the damaged copy, which is opened and changed. */
export async function judge(copy: string, damage: DamageCase, known: Known): Promise<Verdict> {
  const report = await verifyData(copy)
  const named = report.damage.filter((one) => names(one, copy, damage))
  const torn = reachesTheEnd(damage, known)
  const unused = isUnused(damage, known)
  if (report.ok && !torn && !unused) throw new Error('verify finds nothing')
  if (!report.ok && named.length === 0) throw new Error(`verify names another place: ${JSON.stringify(report.damage)}`)
  if (damage.file.endsWith('.wal')) await judgeLog(copy, { report, torn, known })
  else await judgeState(copy, { report, torn, known })
  return named.length > 0 ? 'named' : unused ? 'unused' : 'torn'
}

/** File and place are told, and whose it is as far as anybody can know; or groups that lack what another file held. */
function names({ file, offset, groups, reason }: Damage, copy: string, damage: DamageCase): boolean {
  if (damage.file.includes('MANIFEST') && file === join(copy, 'shard-0', 'state')) return groups !== undefined
  if (file !== join(copy, damage.file)) return false
  return (
    offset !== undefined ||
    /damaged at \d+|block at \d+|missing|names no manifest|footer|ends|bytes end early|tag \d+/.test(reason)
  )
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
      if (lost.has(group) || held.get(group) === was || torn) continue
      throw new Error(`group ${group} is ${held.has(group) ? 'another' : 'gone'} and nobody says so`)
    }
    for (const group of held.keys()) {
      if (!known.sound.log.has(group)) throw new Error(`group ${group} comes out of nowhere`)
    }
  } finally {
    await wal.close()
  }
}

/** An old checkpoint is fine where damage was named: the log reaches from there, or the start refuses. */
async function judgeState(copy: string, { report, torn, known }: Findings): Promise<void> {
  const store = await openStateIn(join(copy, 'shard-0', 'state'))
  try {
    for (const group of STATE_GROUPS) {
      const held = await rowsOf(store, group).catch((error: unknown) => `damaged: ${error}`)
      if (typeof held === 'string') continue
      const checkpoints = known.sound.state.get(group) ?? new Map<number, string>()
      if (held === undefined) {
        if (torn || !report.ok) continue
        throw new Error(`group ${group} is gone and nobody says so`)
      }
      if (checkpoints.get(held.applied) !== held.rows) throw new Error(`group ${group} has rows that never were`)
      const newest = Math.max(...checkpoints.keys())
      if (held.applied !== newest && !torn && report.ok) throw new Error(`group ${group} is old and nobody says so`)
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

/** In the last batch, or from somewhere into it: with it goes the proof of what came before. */
function reachesTheEnd({ file, from, to }: DamageCase, { lastBatches }: Known): boolean {
  const last = lastBatches.get(file)
  return last !== undefined && to > last.from && from < last.end
}
