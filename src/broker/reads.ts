/** Linearizable reads of one partition, for the leader: a confirmed read index first, then the applied state. */
import { SandglassError } from '../base/errors.ts'
import type { GroupName, Position } from '../views/timer/commands.ts'
import type { GroupView, StoredMessage } from '../views/timer/queries.ts'
import { comparePositions } from './dispatcher/windows/sorted-messages.ts'
import { END } from './dispatcher/windows/window.ts'
import type { Partition } from './partition.ts'

export interface FetchSpec {
  readonly channel: string
  /** Inclusive; absent: the earliest, the latest. */
  readonly from?: Position
  readonly to?: Position
  readonly limit: number
}

export interface Fetched {
  readonly messages: readonly StoredMessage[]
  readonly more: boolean
}

export type MessageState = 'scheduled' | 'due' | 'fired'

export interface GroupDescription {
  readonly consumed: Position
  readonly committed: Position
  readonly leased: number
  readonly waiting: number
  /** Due and never handed out; counted up to DUE_COUNT_MAX. */
  readonly due: number
}

/** Bodies of one answer: leaves room for a last large one below the frame limit. */
const FETCH_BYTES = 2 * 1024 * 1024
const DUE_COUNT_MAX = 100_000

/** Messages of a channel by position. Rejects NOT_LEADER, NO_QUORUM, INTERNAL at damage. */
export async function fetchMessages(partition: Partition, spec: FetchSpec): Promise<Fetched> {
  await partition.read()
  const { view, reader } = partition.handle
  const to = spec.to ?? END
  let after = before(spec.from ?? { due: 0, index: 0 })
  const messages: StoredMessage[] = []
  let bytes = 0
  while (messages.length <= spec.limit && bytes < FETCH_BYTES) {
    const page = await view.scan(reader, spec.channel, { after, to }, spec.limit + 1 - messages.length, FETCH_BYTES)
    const last = page.at(-1)
    if (last === undefined) return { messages, more: false }
    after = last
    for (const message of page) {
      bytes += message.body.length
      messages.push(message)
    }
  }
  if (messages.length > spec.limit) return { messages: messages.slice(0, spec.limit), more: true }
  return { messages, more: comparePositions(after, to) < 0 }
}

/** One message and what became of it. Rejects MESSAGE_NOT_FOUND, NOT_LEADER, NO_QUORUM, INTERNAL at damage. */
export async function getMessage(
  partition: Partition,
  position: Position,
): Promise<{ readonly message: StoredMessage; readonly state: MessageState }> {
  await partition.read()
  const { view, reader } = partition.handle
  const message = await view.find(reader, position)
  if (message === undefined) {
    throw new SandglassError('MESSAGE_NOT_FOUND', 'Cannot find the message: no such offset is stored')
  }
  return { message, state: stateOf(partition, message) }
}

/** Undefined for a group that this partition does not have. Rejects NOT_LEADER, NO_QUORUM. */
export async function describeGroup(partition: Partition, name: GroupName): Promise<GroupDescription | undefined> {
  await partition.read()
  const group = partition.handle.view.group(name)
  if (group === undefined) return undefined
  const { cursor, committed, leased, waiting } = group
  return { consumed: cursor, committed, leased, waiting, due: await countDue(partition, group, cursor) }
}

/** Groups of the partition. Rejects NOT_LEADER, NO_QUORUM. */
export async function listGroups(partition: Partition): Promise<readonly GroupName[]> {
  await partition.read()
  return Array.from(partition.handle.view.groups(), ({ channel, group }) => ({ channel, group }))
}

function stateOf(partition: Partition, message: StoredMessage): MessageState {
  const firedUpTo = partition.handle.view.firedUpTo(message.channel)
  if (firedUpTo !== undefined && comparePositions(message, firedUpTo) <= 0) return 'fired'
  return message.due <= (partition.now() ?? 0) ? 'due' : 'scheduled'
}

async function countDue(partition: Partition, group: GroupView, cursor: Position): Promise<number> {
  if (group.pending === 0) return 0
  const { view, reader } = partition.handle
  const to = { due: partition.now() ?? 0, index: Number.MAX_SAFE_INTEGER }
  return view.count(reader, group.channel, { after: cursor, to }, DUE_COUNT_MAX)
}

/** The last position before `position`; the scan excludes its start. */
function before({ due, index }: Position): Position {
  if (index > 0) return { due, index: index - 1 }
  return due > 0 ? { due: due - 1, index: Number.MAX_SAFE_INTEGER } : { due: 0, index: 0 }
}
