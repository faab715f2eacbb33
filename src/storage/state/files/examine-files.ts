/**
 * Checks LevelDB's own files before LevelDB opens them: at its start it passes over damaged batches and then deletes
 * the log that shows it. Reads only.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readLogFile } from './log-file.ts'
import { type LiveFiles, readManifest } from './manifest.ts'
import { findTableDamage } from './table-file.ts'

export interface FileFindings {
  /** Whether there is a database at all. */
  readonly present: boolean
  readonly damage: readonly string[]
}

export async function examineFiles(dir: string): Promise<FileFindings> {
  const names = await readdir(dir).catch((error: unknown): string[] => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  })
  if (!names.includes('CURRENT')) {
    const lost = names.some((name) => /\.(ldb|sst|log)$/.test(name))
    return { present: false, damage: lost ? ['CURRENT: it is missing'] : [] }
  }
  const manifest = (await readFile(join(dir, 'CURRENT'), 'latin1')).trim()
  if (!names.includes(manifest)) return { present: true, damage: ['CURRENT: it names no manifest'] }
  const file = readLogFile(await readFile(join(dir, manifest)))
  if (file.damagedAt !== undefined) return { present: true, damage: [`${manifest}: damaged at ${file.damagedAt}`] }
  let live: LiveFiles
  try {
    live = readManifest(file.records)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { present: true, damage: [`${manifest}: ${error.message}`] }
  }
  return { present: true, damage: await examineLive(dir, names, live) }
}

async function examineLive(dir: string, names: readonly string[], live: LiveFiles): Promise<string[]> {
  const damage: string[] = []
  const missing = new Set(live.tables)
  for (const name of names) {
    const number = Number.parseInt(name, 10)
    if (/\.(ldb|sst)$/.test(name) && live.tables.has(number)) {
      missing.delete(number)
      const found = findTableDamage(await readFile(join(dir, name)))
      if (found !== undefined) damage.push(`${name}: ${found}`)
    }
    if (name.endsWith('.log') && number >= live.firstLog) {
      const { damagedAt } = readLogFile(await readFile(join(dir, name)))
      if (damagedAt !== undefined) damage.push(`${name}: damaged at ${damagedAt}`)
    }
  }
  for (const number of missing) damage.push(`table ${number}: it is missing`)
  return damage
}
