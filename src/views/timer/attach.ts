/**
 * Sessions come and go. A consumer's name has one session at a time: a new one replaces the old, whose leases return,
 * and the old one cannot come back by reattaching, or the two would steal from each other for ever.
 */
import { GROUPS_MAX, SESSIONS_MAX } from '../../base/limits.ts'
import type { AttachCommand, DetachCommand, Granted, GroupStart, Held, Position, TimerEffect } from './commands.ts'
import type { Channel, Group } from './group.ts'
import type { Moment, Partition, TimerApplied } from './partition.ts'
import { FIRST_POSITION, isBefore } from './position.ts'
import type { Session } from './session.ts'
import { NONE } from './slots.ts'

export function applyAttach(partition: Partition, command: AttachCommand, { at }: Moment): TimerApplied {
  const channel = partition.channels.get(command.channel)
  const known = channel?.groups.get(command.group)
  if (channel === undefined && partition.channelsLeft === 0) return tooMany('channels')
  if (known === undefined && channel !== undefined && channel.groups.size >= GROUPS_MAX) return tooMany('groups')
  const group = known ?? createGroup(partition, partition.openChannel(command.channel), command)
  const own = group.sessions.get(command.session)
  const rival = group.consumers.get(command.consumer)
  const isReplaced = own === undefined && rival !== undefined && command.holds !== undefined
  const isOthers = own !== undefined && own !== rival
  if (isReplaced || isOthers) return { reply: { type: 'stale', cursor: group.cursor }, effects: [] }
  if (rival === undefined && group.sessions.size >= SESSIONS_MAX) return tooMany('sessions')

  partition.willChange(group)
  const effects = own === undefined ? replace(group, rival, at) : group.changed
  const session = own ?? group.addSession(command.session, command.consumer)
  if (own === undefined) group.sessionsChanged = true
  const kept = keep(group, session, command.holds ?? [], at)
  return { reply: { type: 'attached', cursor: group.cursor, kept }, effects }
}

/** Unknown sessions are gone already, which is what the command wants. */
export function applyDetach(partition: Partition, command: DetachCommand, { at }: Moment): TimerApplied {
  const group = partition.group(command)
  if (group === undefined) return { reply: { type: 'groupNotFound' }, effects: [] }
  const session = group.sessions.get(command.session)
  if (session === undefined) return { reply: { type: 'detached' }, effects: [] }
  partition.willChange(group)
  group.removeSession(session, at)
  return { reply: { type: 'detached' }, effects: group.changed }
}

function createGroup(partition: Partition, channel: Channel, { group, start }: AttachCommand): Group {
  const cursor = startPosition(partition, start)
  // How many messages lie below another start is not known without reading them all.
  const passed = start.type === 'earliest' || channel.messages === 0 ? 0 : undefined
  if (isBefore(channel.firedUpTo, cursor)) {
    channel.firedUpTo = cursor
    partition.dirtyChannels.add(channel)
  }
  return partition.createGroup(channel, group, cursor, passed)
}

/**
 * Neither part beyond that of (at', last index), or the next message could sort below the cursor and never be delivered.
 * No message has a higher index, so that a start which names one begins at the same message.
 */
function startPosition(partition: Partition, start: GroupStart): Position {
  const { horizon } = partition
  if (start.type === 'earliest') return FIRST_POSITION
  if (start.type === 'latest') return horizon
  const { due, index } = start.position
  return due > horizon.due ? horizon : { due, index: Math.min(index, horizon.index) }
}

function replace(group: Group, rival: Session | undefined, at: number): readonly TimerEffect[] {
  if (rival === undefined) return group.changed
  group.removeSession(rival, at)
  const name = { channel: group.channel.name, group: group.name }
  return [{ type: 'sessionReplaced', ...name, session: rival.id }, ...group.changed]
}

/** Leases of the session that it still holds, in the order of `holds`; the others return. */
function keep(
  group: Group,
  session: Session,
  holds: readonly Held[],
  at: number,
): readonly (Granted & { deadline: number })[] {
  const { outstanding } = group
  const { slots } = outstanding
  const listed = new Set<number>()
  for (const { index, fence } of holds) {
    const slot = outstanding.held(index, fence)
    if (slot !== NONE && slots.holder[slot] === session) listed.add(slot)
  }
  group.releaseLeases(session, at, (slot) => !listed.has(slot))
  return Array.from(listed, (slot) => {
    const { due, index, count, time, lease } = outstanding.record(slot)
    return { due, index, fence: lease?.fence ?? 0, count, deadline: time }
  })
}

function tooMany(what: 'channels' | 'groups' | 'sessions'): TimerApplied {
  return { reply: { type: 'tooMany', what }, effects: [] }
}
