/** Where the folder of a stopped node is damaged: somewhere that means something and cannot be taken for a torn write. */
import { join } from 'node:path'
import { CATALOG_GROUP } from '../../src/base/ids.ts'
import { inspectData, unusedRanges, verifyData } from '../../src/node/examine.ts'
import { type DamageCase, damageableFiles, drawCase, inflict } from './case.ts'
import { lastBatches } from './ends.ts'

/**
 * table: LevelDB's largest. partition: segments of the log without the catalog, so that the node can do without what they
 * held. newest: the log's segment whose damage concerns everybody.
 */
export type Part = 'state' | 'table' | 'log' | 'partition' | 'newest'

const DRAWS_MAX = 1000

/** Undefined if nothing of `part` is there. Rejects if the folder is damaged already. */
export async function damageSomewhere(data: string, part: Part, random: () => number): Promise<DamageCase | undefined> {
  const { damage } = await verifyData(data)
  if (damage.length > 0) throw new Error(`${data} is damaged to begin with: ${JSON.stringify(damage)}`)
  const unused = await unusedRanges(data)
  const all = damageableFiles(data)
  const ends = await lastBatches(data, all)
  const files = await filesOf(data, part, all)
  for (let i = 0; i < DRAWS_MAX && files.length > 0; i++) {
    const drawn = drawCase(files, random)
    const path = join(data, drawn.file)
    if (unused.some(({ file, from, to }) => file === path && from <= drawn.from && drawn.from < to)) continue
    if (drawn.to > (ends.get(drawn.file)?.from ?? Number.POSITIVE_INFINITY)) continue
    const done = inflict(data, drawn)
    if (done !== undefined) return done
  }
  return undefined
}

type Files = ReturnType<typeof damageableFiles>

async function filesOf(data: string, part: Part, files: Files): Promise<Files> {
  if (part === 'table') {
    const tables = files.filter(({ file }) => file.endsWith('.ldb')).sort((a, b) => b.bytes - a.bytes)
    return tables.slice(0, 1)
  }
  if (part === 'state') return files.filter(({ file }) => !file.endsWith('.wal'))
  const log = files.filter(({ file }) => file.endsWith('.wal'))
  if (part === 'log') return log
  if (part === 'newest') return log.slice(-1)
  const { segments } = await inspectData(data)
  const apart = segments.filter(({ sealed, groups }) => sealed && !groups.some(({ group }) => group === CATALOG_GROUP))
  const paths = new Set(apart.map(({ file }) => file))
  return log.filter(({ file }) => paths.has(join(data, file)))
}
