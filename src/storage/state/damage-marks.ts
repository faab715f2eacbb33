/**
 * Remembers which generations lost rows to a damaged file, in `DAMAGED.json` beside LevelDB's files: a damaged table
 * is taken away, and with it the proof. A mark goes when its generation no longer counts (a snapshot took its place).
 * Invariant: ranges are durable before the tables go, places before the ranges are forgotten.
 */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { GroupId } from '../../base/ids.ts'
import { sealJson, unsealJson } from '../sealed-json.ts'
import type { FileDamage } from './files/examine-files.ts'
import { generationRange, headKey, type Place } from './keys.ts'
import type { KeyRange, StateDamage } from './types.ts'

const FILE = 'DAMAGED.json'
const FORMAT = 1
/** Where damaged tables go, and what LevelDB's repair replaces. */
export const LOST = 'lost'
/** Damaged files remembered; a disk with more of them is to be replaced. */
const FOUND_MAX = 100

interface Mark extends Place {
  readonly reason: string
}

interface FoundDamage extends FileDamage {
  /** Whether the generations it concerns have their marks; it still speaks for groups whose head is lost. */
  readonly settled?: boolean
}

interface Marks {
  readonly found: readonly FoundDamage[]
  readonly marks: readonly Mark[]
}

/** Durably adds damage whose groups are not known yet, then takes the damaged tables away. */
export async function setAside(dir: string, damaged: readonly FileDamage[]): Promise<void> {
  const before = await load(dir)
  await save(dir, { found: [...before.found, ...damaged], marks: before.marks })
  await mkdir(join(dir, LOST), { recursive: true })
  for (const { kind, file } of damaged) {
    if (kind === 'table') await rename(join(dir, file), join(dir, LOST, file)).catch(ignoreMissing)
  }
  await syncDirectory(dir)
}

function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
}

/** Turns damage into marks of the `places` that count, durably; forgets marks of places that no longer do. */
export async function settleDamage(dir: string, places: readonly Place[]): Promise<KnownDamage> {
  const before = await load(dir)
  if (before.found.length === 0 && before.marks.length === 0) return new KnownDamage([], [])
  const marks: Mark[] = []
  for (const place of places) {
    const old = before.marks.find((mark) => mark.group === place.group && mark.generation === place.generation)
    const found = before.found.find((damage) => !damage.settled && concerns(damage.keys, place))
    const reason = old?.reason ?? found?.text
    if (reason !== undefined) marks.push({ ...place, reason })
  }
  const found = before.found.map((damage) => ({ ...damage, settled: true })).slice(-FOUND_MAX)
  await save(dir, { found, marks })
  if (marks.length === 0) await rm(join(dir, LOST), { recursive: true, force: true })
  return new KnownDamage(found, marks)
}

/** What the opening of a group asks. */
export class KnownDamage {
  readonly #found: readonly FoundDamage[]
  readonly #marks: readonly Mark[]
  readonly #removed = new Set<GroupId>()

  constructor(found: readonly FoundDamage[], marks: readonly Mark[]) {
    this.#found = found
    this.#marks = marks
  }

  /** `generation` undefined: the group has no head. It may have had one, where a table that was taken away held it. */
  of(group: GroupId, generation: number | undefined): string | undefined {
    if (generation === undefined) {
      if (this.#removed.has(group)) return undefined
      return this.#found.find(({ keys }) => concerns(keys, { group, generation: 0 }))?.text
    }
    return this.#marks.find((mark) => mark.group === group && mark.generation === generation)?.reason
  }

  /** Whatever it had is not wanted any more: it begins anew. Until its first checkpoint another process asks again. */
  removed(group: GroupId): void {
    this.#removed.add(group)
  }
}

/** What is not healed yet, for people. `places`: the generations that count. */
export async function describeMarks(dir: string, places: readonly Place[]): Promise<readonly StateDamage[]> {
  const { found, marks } = await load(dir)
  const counts = (mark: Mark) => places.some((at) => at.group === mark.group && at.generation === mark.generation)
  return [
    ...found.filter((damage) => !damage.settled),
    ...marks.filter(counts).map(({ group, reason }) => {
      const { file, offset = 0 } = found.find(({ text }) => text === reason) ?? {}
      const text = `group ${group} lost rows: ${reason}`
      // What is gone lies in `lost`, if a table it was.
      return file ? { file: join(LOST, file), offset, group, text } : { group, text }
    }),
  ]
}

/** Head, links and rows. */
function concerns(keys: KeyRange | undefined, place: Place): boolean {
  if (keys === undefined) return true
  const head = headKey(place.group)
  const own = generationRange(place.group, place.generation, place.generation)
  return (keys.gte <= head && head < keys.lt) || (keys.gte < own.lt && own.gte < keys.lt)
}

/** What was remembered in a file that is damaged itself: any group may have lost anything. */
const UNREADABLE: Marks = {
  found: [{ kind: 'log', file: FILE, offset: 0, text: `${FILE} is damaged`, keys: undefined }],
  marks: [],
}

async function load(dir: string): Promise<Marks> {
  const text = await readFile(join(dir, FILE), 'utf8').catch(ignoreMissing)
  if (text === undefined) return { found: [], marks: [] }
  const formats = { [FORMAT]: ['found', 'marks'] } as const
  return unsealJson<Marks>(text, { formats, path: join(dir, FILE) }) ?? UNREADABLE
}

async function save(dir: string, { found, marks }: Marks): Promise<void> {
  const path = join(dir, FILE)
  const file = await open(`${path}.new`, 'w')
  try {
    await file.writeFile(sealJson(FORMAT, { found, marks }))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  await syncDirectory(dir)
}

async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
