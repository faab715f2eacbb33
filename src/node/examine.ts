/** Looks at a stopped node's data folder without changing it: `sandglass verify` and `sandglass inspect`. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SandglassError } from '../base/errors.ts'
import type { GroupId } from '../base/ids.ts'
import { nodeDisk } from '../storage/disk.ts'
import { inspectState, isLocked, mayHold, unusedStateFiles } from '../storage/state/store.ts'
import type { StateDamage, StateInspection } from '../storage/state/types.ts'
import { type SegmentSummary, summarizeWal, type UnusedRange, type WalSummary } from '../storage/wal/summary.ts'
import { inspectWal, verifyWal, type WalVerification } from '../storage/wal/verify.ts'
import { usingData } from './data-error.ts'
import { lostLog } from './data-folder.ts'
import type { Identity } from './formation/identity.ts'
import { createIdentityStore } from './formation/identity-file.ts'
import { StartError } from './start-error.ts'

export interface Damage {
  readonly file: string
  readonly offset?: number
  /** Whose replicas here are lost (log) or wait for a snapshot (state); undefined: they may be any. */
  readonly groups: readonly GroupId[] | undefined
  readonly reason: string
}

export interface Verification {
  readonly data: string
  readonly node: Identity | undefined
  readonly log: { readonly segments: number; readonly batches: number; readonly groups: number; readonly bytes: number }
  readonly state: { readonly groups: number; readonly rows: number }
  /** A last batch that the next start cuts: it was never acknowledged. */
  readonly torn: WalVerification['torn']
  readonly damage: readonly Damage[]
  readonly ok: boolean
}

export interface InspectedGroup {
  readonly group: GroupId
  readonly log: Omit<WalVerification['groups'][number], 'group'> | undefined
  readonly state: Omit<StateInspection['groups'][number], 'group'> | undefined
}

export interface Inspection {
  readonly data: string
  readonly node: Identity | undefined
  readonly segments: readonly SegmentSummary[]
  readonly groups: readonly InspectedGroup[]
}

/** Reads everything and checks every checksum. Throws StartError: DATA_LOCKED, DATA_UNUSABLE, DATA_NEWER, DATA_DAMAGED. */
export async function verifyData(data: string): Promise<Verification> {
  const { node, state, wal } = await look(data)
  const damage = [
    ...wal.damage.map(({ file, offset, reason, groups, everyGroup }) => {
      return { file, offset, groups: everyGroup ? undefined : groups, reason }
    }),
    ...state.damage.map(({ file, offset, text, ...whose }) => {
      const groups = groupsOf(whose, wal)
      return {
        file: join(folders(data).state, file ?? ''),
        ...(offset !== undefined && { offset }),
        groups,
        reason: text,
      }
    }),
    ...behindLog(data, { state, wal }),
    ...(await withoutLog(data, node)),
  ]
  return {
    data,
    node,
    log: {
      segments: wal.segments.length,
      batches: wal.segments.reduce((sum, { batches }) => sum + batches, 0),
      groups: wal.groups.length,
      bytes: wal.segments.reduce((sum, { bytes }) => sum + bytes, 0),
    },
    state: { groups: state.groups.length, rows: state.groups.reduce((sum, { rows }) => sum + rows, 0) },
    torn: wal.torn,
    damage,
    ok: damage.length === 0,
  }
}

/** What the folder holds. Throws as `verifyData`. */
export async function inspectData(data: string): Promise<Inspection> {
  const { node, state, wal } = await look(data)
  const groups = new Set([...wal.groups, ...state.groups].map(({ group }) => group))
  return {
    data,
    node,
    segments: (await summaryOf(data)).segments,
    groups: [...groups]
      .sort((a, b) => a - b)
      .map((group) => ({ group, log: partOf(wal.groups, group), state: partOf(state.groups, group) })),
  }
}

/** Ranges of the folder's files that carry no meaning. Throws as `verifyData`. */
export async function unusedRanges(data: string): Promise<readonly UnusedRange[]> {
  await look(data)
  const { state } = folders(data)
  const unused: UnusedRange[] = [...(await summaryOf(data)).unused]
  for (const name of await unusedStateFiles(state).catch(nothingThere)) {
    const file = join(state, name)
    unused.push({ file, from: 0, to: (await stat(file)).size, why: 'not part of the database' })
  }
  return unused.filter(({ from, to }) => from < to)
}

/** One object for each frame of the log, payloads left out. */
export function inspectFrames(data: string): AsyncIterable<object> {
  return inspectWal(folders(data).wal, nodeDisk)
}

interface Look {
  readonly node: Identity | undefined
  readonly state: StateInspection
  readonly wal: WalVerification
}

/** Those that the log knows and the damage may concern; undefined: any. */
function groupsOf({ group, keys }: Pick<StateDamage, 'group' | 'keys'>, wal: WalVerification): Damage['groups'] {
  if (group !== undefined) return [group]
  if (keys === undefined) return undefined
  const known = wal.groups.map((log) => log.group)
  return known.filter((one) => mayHold(keys, one)).sort((a, b) => a - b)
}

/** A checkpoint that the log relied on when it forgot what came before: the end of LevelDB's files took it along. */
function behindLog(data: string, { state, wal }: Omit<Look, 'node'>): readonly Damage[] {
  // Damage that was named explains whatever is missing.
  if (state.damage.length > 0) return []
  return wal.groups.flatMap(({ group, base }) => {
    const applied = partOf(state.groups, group)?.applied ?? 0
    if (base.index <= applied) return []
    const reason = `group ${group}: its checkpoint is at ${applied}, its log begins behind ${base.index}`
    const { file = '', offset = 0 } = state.end ?? {}
    return [{ file: join(folders(data).state, file), offset, groups: [group], reason }]
  })
}

async function withoutLog(data: string, node: Identity | undefined): Promise<readonly Damage[]> {
  const reason = await lostLog(data, node)
  return reason === undefined ? [] : [{ file: folders(data).wal, offset: 0, groups: undefined, reason }]
}

/** What the system refuses of a file is told as it is when a node starts. */
function look(data: string): Promise<Look> {
  return usingData(data, () => lookInside(data))
}

/** The state first: its lock is the node's. */
async function lookInside(data: string): Promise<Look> {
  const { wal, state } = folders(data)
  try {
    const inspected = await inspectState(state)
    const verified = await verifyWal(wal, nodeDisk).catch(emptyWal)
    const node = await createIdentityStore(data).read()
    if (node === undefined && verified.segments.length === 0 && inspected.groups.length === 0) {
      throw new StartError('DATA_UNUSABLE', `Cannot look at data ${data}: it is not the folder of a node`)
    }
    return { node, state: inspected, wal: verified }
  } catch (error) {
    if (isLocked(error))
      throw new StartError('DATA_LOCKED', `Cannot look at data ${data}: a node runs on it`, { cause: error })
    if (error instanceof SandglassError && error.reason === 'UNSUPPORTED') {
      throw new StartError('DATA_NEWER', `Cannot look at data ${data}: ${error.message}`, { cause: error })
    }
    throw error
  }
}

function summaryOf(data: string): Promise<WalSummary> {
  return summarizeWal(folders(data).wal, nodeDisk).catch((error: unknown) => {
    nothingThere(error)
    return { segments: [], unused: [] }
  })
}

function emptyWal(error: unknown): WalVerification {
  nothingThere(error)
  return { segments: [], groups: [], damage: [], torn: undefined }
}

/** A folder that was never made is empty; every other error counts. */
function nothingThere(error: unknown): readonly string[] {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
  throw error
}

function folders(data: string): { wal: string; state: string } {
  return { wal: join(data, SHARD, 'wal'), state: join(data, SHARD, 'state') }
}

function partOf<T extends { readonly group: GroupId }>(
  parts: readonly T[],
  group: GroupId,
): Omit<T, 'group'> | undefined {
  const found = parts.find((part) => part.group === group)
  if (found === undefined) return undefined
  const { group: _group, ...rest } = found
  return rest
}

const SHARD = 'shard-0'
