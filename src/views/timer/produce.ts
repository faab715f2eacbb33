/**
 * Storing new messages. Because at' never goes back and due >= at', every new message sorts after everything that any
 * group was ever handed; that is asserted here, since the cursors rest on it.
 */
import { assert } from '../../base/assert.ts'
import { DUE_MS_MAX } from '../../base/limits.ts'
import type { NewMessage, Position, ProduceCommand, ProducerSequence } from './commands.ts'
import type { Channel } from './group.ts'
import { messageKey } from './keys.ts'
import { messageRow } from './message-row.ts'
import type { Moment, Partition, TimerApplied } from './partition.ts'

/** How a frame meets what is known of its producer. */
type Met =
  | { readonly type: 'refused'; readonly applied: TimerApplied }
  /** Positions of the messages in front that were stored before. */
  | { readonly type: 'known'; readonly positions: Position[] }

export function applyProduce(partition: Partition, command: ProduceCommand, moment: Moment): TimerApplied {
  const { messages, sequence } = command
  const met = meet(partition, messages.length, sequence, moment.at)
  if (met.type === 'refused') return met.applied
  const duplicates = met.positions.length
  const fresh = duplicates === 0 ? messages : messages.slice(duplicates)
  if (newChannels(partition, fresh) > partition.channelsLeft) {
    return { reply: { type: 'tooMany', what: 'channels' }, effects: [] }
  }
  const stored = store(partition, fresh, moment)
  if (sequence !== undefined) partition.producers.touch(sequence.producer, moment.at, stored)
  const positions = duplicates === 0 ? stored : met.positions.concat(stored)
  const reply = { type: 'produced', positions, duplicates } as const
  if (fresh.length === 0) return { reply, effects: [] }
  const channels = fresh.map((message) => message.channel)
  const bodies = fresh.map((message) => message.body)
  return { reply, effects: [{ type: 'stored', channels, positions: stored, bodies }] }
}

function meet(partition: Partition, count: number, sequence: ProducerSequence | undefined, at: number): Met {
  const positions: Position[] = []
  if (sequence === undefined) return { type: 'known', positions }
  const producer = partition.producers.find(sequence.producer, at)
  const last = producer?.last ?? 0
  const outOfSequence = refused({ reply: { type: 'outOfSequence', expected: last + 1 }, effects: [] })
  if (sequence.first > last + 1) return outOfSequence
  const seen = Math.min(count, last + 1 - sequence.first)
  for (let i = 0; i < seen; i++) {
    const position = producer?.find(sequence.first + i)
    if (position === undefined) {
      return seen === count ? refused({ reply: { type: 'duplicate' }, effects: [] }) : outOfSequence
    }
    positions.push(position)
  }
  return { type: 'known', positions }
}

function refused(applied: TimerApplied): Met {
  return { type: 'refused', applied }
}

function newChannels(partition: Partition, messages: readonly NewMessage[]): number {
  const fresh = new Set<string>()
  let last: string | undefined
  for (const { channel } of messages) {
    if (channel === last) continue
    last = channel
    if (!partition.channels.has(channel)) fresh.add(channel)
  }
  return fresh.size
}

function store(partition: Partition, messages: readonly NewMessage[], { at, store }: Moment): Position[] {
  const positions: Position[] = []
  let channel: Channel | undefined
  for (const message of messages) {
    if (channel?.name !== message.channel) channel = openForProduce(partition, message.channel, at)
    const due = dueOf(message, at)
    const index = ++partition.lastIndex
    channel.messages++
    positions.push({ due, index })
    store.put(messageKey(channel.number, due, index), messageRow(message.body), true)
  }
  partition.messages += messages.length
  return positions
}

function openForProduce(partition: Partition, name: string, at: number): Channel {
  const channel = partition.openChannel(name)
  const { due, index } = channel.firedUpTo
  assert(due <= at && index <= partition.lastIndex, 'every new message sorts after everything already delivered')
  partition.dirtyChannels.add(channel)
  return channel
}

function dueOf(message: NewMessage, at: number): number {
  if (message.deliverAt !== undefined) return Math.max(message.deliverAt, at)
  return message.delayMs === undefined ? at : Math.min(at + message.delayMs, DUE_MS_MAX)
}
