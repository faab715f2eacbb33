/** What `sandglass verify` does to a shard's state: LevelDB's files first, then every row, then every chain. */
import { describeMarks } from './damage-marks.ts'
import type { Database } from './database.ts'
import { examineFiles } from './files/examine-files.ts'
import { decodeHead, findChainDamage } from './head.ts'
import { END_KEY, headKey, type Place, placeAfter, placeOf, rowRange } from './keys.ts'
import { openLevelDatabase } from './level-database.ts'
import { isLocked } from './locked.ts'
import type { StateReport } from './types.ts'

/** Rejects with a locked error while a process has the folder; opens nothing that is damaged. */
export async function examine(dir: string): Promise<StateReport> {
  const files = await examineFiles(dir)
  if (!files.present || files.damage.length > 0) {
    return { groups: 0, rows: 0, damage: files.damage.map((found) => found.text) }
  }
  let database: Database
  try {
    database = await openLevelDatabase({ dir, create: false, pause: () => Promise.resolve() })
  } catch (error) {
    if (isLocked(error)) throw error
    return { groups: 0, rows: 0, damage: [error instanceof Error ? error.message : String(error)] }
  }
  try {
    const { groups, rows, damage } = await examineGroups(database)
    return { groups, rows, damage: [...(await describeMarks(dir)), ...damage] }
  } finally {
    await database.close()
  }
}

async function examineGroups(database: Database): Promise<StateReport> {
  const damage: string[] = []
  let groups = 0
  let rows = 0
  for (let from = ''; ; ) {
    const key = await database.firstKey({ gte: from, lt: END_KEY })
    if (key === undefined) return { groups, rows, damage }
    const at = placeOf(key)
    from = placeAfter(at)
    if (at.generation > 0) continue
    groups++
    try {
      const head = decodeHead(database.get(headKey(at.group)) ?? new Uint8Array())
      const place = { group: at.group, generation: head.generation }
      const broken = await findChainDamage(database, place, head.chain)
      if (broken !== undefined) damage.push(`group ${at.group}: ${broken}`)
      rows += await countRows(database, place)
    } catch (error) {
      damage.push(`group ${at.group}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

/** Reading a row checks it. */
async function countRows(database: Database, place: Place): Promise<number> {
  const rows = database.iterate(rowRange(place), false, 0)
  let count = 0
  try {
    for (let some = await rows.next(); some.length > 0; some = await rows.next()) count += some.length
  } finally {
    await rows.close()
  }
  return count
}
