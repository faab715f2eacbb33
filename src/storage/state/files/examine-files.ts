/**
 * Checks LevelDB's own files before LevelDB opens them: at its start it passes over damaged batches and then deletes
 * the log that shows it. Reads only.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Slice } from '../../../base/slice.ts'
import type { KeyRange } from '../types.ts'
import { isBatch, type LogFile, readLogFile } from './log-file.ts'
import { type LiveFiles, readManifest } from './manifest.ts'
import { readAhead } from './read-ahead.ts'
import { findTableDamage } from './table-file.ts'

export interface FileFindings {
  /** Whether there is a database at all. */
  readonly present: boolean
  readonly damage: readonly FileDamage[]
  /** Whether the logs hold nothing that is torn or damaged. */
  readonly logsWhole: boolean
  /** Where it ends: in a log whose end is torn, else where the list of files does. What is missing from it was there. */
  readonly end?: { readonly file: string; readonly offset: number }
}

export interface FileDamage {
  readonly kind: 'log' | 'table' | 'manifest'
  readonly file: string
  readonly offset: number
  readonly text: string
  /** Keys that may be lost or old; undefined when they may be any. */
  readonly keys: KeyRange | undefined
}

/** `slice`: of a process that serves meanwhile. */
export async function examineFiles(dir: string, slice?: Slice): Promise<FileFindings> {
  const names = await readdir(dir).catch((error: unknown): string[] => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  })
  if (!names.includes('CURRENT')) {
    const lost = names.some((name) => /\.(ldb|sst|log)$/.test(name))
    return lost ? broken('CURRENT', 0, 'it is missing', false) : { present: false, damage: [], logsWhole: true }
  }
  const manifest = (await readFile(join(dir, 'CURRENT'), 'latin1')).trim()
  if (!names.includes(manifest)) return broken('CURRENT', 0, 'it names no manifest')
  const { records, ...file } = await readRecords(join(dir, manifest))
  const damagedAt = file.damagedAt ?? file.wrongAt
  if (damagedAt !== undefined) return broken(manifest, damagedAt, `damaged at ${damagedAt}`)
  let live: LiveFiles
  try {
    live = readManifest(records)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return broken(manifest, file.end, error.message)
  }
  // It is there before the manifest says so, and stays until a later record of the manifest begins with another.
  const log = fileName(live.firstLog, 'log')
  if (live.firstLog > 0 && !names.includes(log)) {
    return broken(manifest, file.end, `${log} is missing, or a later record that does without it`)
  }
  return { end: { file: manifest, offset: file.end }, ...(await examineLive(dir, names, live, slice)) }
}

/** Files in `dir` that say nothing about what the database holds: LevelDB's lock, and what it has not removed yet. */
export async function unusedFiles(dir: string): Promise<readonly string[]> {
  const names = await readdir(dir)
  if (!names.includes('CURRENT')) return []
  const current = (await readFile(join(dir, 'CURRENT'), 'latin1')).trim()
  const live = readManifest((await readRecords(join(dir, current))).records)
  return names.filter((name) => {
    const number = Number.parseInt(name, 10)
    if (/\.(ldb|sst)$/.test(name)) return !live.tables.has(number)
    if (name.endsWith('.log')) return number < live.firstLog
    return name === 'LOCK' || name.startsWith('LOG') || (name.startsWith('MANIFEST-') && name !== current)
  })
}

async function readRecords(path: string): Promise<LogFile & { readonly records: readonly Buffer[] }> {
  const records: Buffer[] = []
  const file = await readLogFile(await readFile(path), { take: (record) => records.push(record) })
  return { ...file, records }
}

async function examineLive(
  dir: string,
  names: readonly string[],
  live: LiveFiles,
  slice: Slice | undefined,
): Promise<FileFindings> {
  const damage = await damagedTables(dir, names, live, slice)
  let torn: FileFindings['end']
  for (const name of names) {
    if (!name.endsWith('.log') || Number.parseInt(name, 10) < live.firstLog) continue
    const { damagedAt, whole, end } = await readLogFile(await readFile(join(dir, name)), { isRecord: isBatch, slice })
    if (!whole) torn ??= { file: name, offset: end }
    if (damagedAt !== undefined) damage.push(anyKey('log', name, damagedAt, `damaged at ${damagedAt}`))
  }
  return { present: true, damage, logsWhole: torn === undefined, ...(torn && { end: torn }) }
}

async function damagedTables(
  dir: string,
  names: readonly string[],
  live: LiveFiles,
  slice: Slice | undefined,
): Promise<FileDamage[]> {
  const damage: FileDamage[] = []
  const missing = new Map(live.tables)
  const tables: { readonly name: string; readonly keys: KeyRange }[] = []
  for (const name of names) {
    const number = Number.parseInt(name, 10)
    const keys = live.tables.get(number)
    if (!/\.(ldb|sst)$/.test(name) || keys === undefined) continue
    missing.delete(number)
    tables.push({ name, keys })
  }
  const contents = readAhead(tables.map(({ name }) => join(dir, name)))
  for (const { name, keys } of tables) {
    const { value: bytes } = await contents.next()
    const found = bytes && (await findTableDamage(bytes, slice))
    if (found) damage.push({ kind: 'table', file: name, offset: found.offset, text: `${name}: ${found.reason}`, keys })
  }
  for (const [number, keys] of missing) {
    const file = fileName(number, 'ldb')
    damage.push({ kind: 'table', file, offset: 0, text: `${file}: it is missing`, keys })
  }
  return damage
}

/** As LevelDB names them. */
function fileName(number: number, suffix: string): string {
  return `${String(number).padStart(6, '0')}.${suffix}`
}

function anyKey(kind: 'log' | 'manifest', file: string, offset: number, reason: string): FileDamage {
  return { kind, file, offset, text: `${file}: ${reason}`, keys: undefined }
}

function broken(file: string, offset: number, reason: string, present = true): FileFindings {
  return { present, damage: [anyKey('manifest', file, offset, reason)], logsWhole: false }
}
