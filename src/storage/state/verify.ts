/**
 * A look at a shard's state that nobody has open, without changing it: LevelDB's files first, then every row, then every
 * chain. `sandglass verify` and `sandglass inspect` stand on it.
 */
import { refuseOthersIn } from '../regular-file.ts'
import { describeMarks, LOST } from './damage-marks.ts'
import type { Database } from './database.ts'
import { examineFiles } from './files/examine-files.ts'
import { makeTwin } from './files/twin.ts'
import { decodeHead, findChainDamage } from './head.ts'
import { END_KEY, headKey, type Place, placeAfter, placeOf, rowRange } from './keys.ts'
import { openLevelDatabase, refuseIfInUse } from './level-database.ts'
import type { StateDamage, StateInspection, StoredGroup } from './types.ts'

/** Rejects with a locked error while a process has the folder; opens nothing that is damaged. */
export async function examine(dir: string): Promise<StateInspection> {
  await refuseOthersIn(dir, [LOST])
  await refuseIfInUse(dir)
  const files = await examineFiles(dir)
  if (!files.present || files.damage.length > 0) {
    return { groups: [], damage: files.damage }
  }
  const twin = await makeTwin(dir)
  try {
    const { groups, damage } = await examineDatabase(twin.dir)
    const marks = await describeMarks(dir, groups)
    // All that can be read is whole, so that what is missing was behind it.
    const unmarked = damage.filter(({ group }) => !marks.some((mark) => mark.group === group))
    return { groups, damage: [...marks, ...unmarked.map((one) => ({ ...files.end, ...one }))], end: files.end }
  } finally {
    await twin.remove()
  }
}

async function examineDatabase(dir: string): Promise<StateInspection> {
  let database: Database
  try {
    database = await openLevelDatabase({ dir, create: false, pause: () => Promise.resolve() })
  } catch (error) {
    return { groups: [], damage: [{ text: error instanceof Error ? error.message : String(error) }] }
  }
  try {
    return await examineGroups(database)
  } finally {
    await database.close()
  }
}

async function examineGroups(database: Database): Promise<StateInspection> {
  const damage: StateDamage[] = []
  const groups: StoredGroup[] = []
  for (let from = ''; ; ) {
    const key = await database.firstKey({ gte: from, lt: END_KEY })
    if (key === undefined) return { groups, damage }
    const at = placeOf(key)
    from = placeAfter(at)
    if (at.generation > 0) continue
    const { group } = at
    try {
      const { generation, chain, meta } = decodeHead(database.get(headKey(group)) ?? new Uint8Array())
      const place = { group, generation }
      const broken = await findChainDamage(database, place, chain)
      if (broken !== undefined) damage.push({ group, text: `group ${group}: ${broken}` })
      const rows = await countRows(database, place)
      groups.push({ group, generation, applied: meta.applied, term: meta.term, rows })
    } catch (error) {
      damage.push({ group, text: `group ${group}: ${error instanceof Error ? error.message : String(error)}` })
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
