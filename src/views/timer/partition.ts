/**
 * What a timer partition keeps in memory: channels with their groups, counters, producers, and which rows a flush must
 * write. Everything but messages, reasons and cold blocks is here, so that work between two checkpoints costs no rows.
 */
import { CHANNELS_MAX } from '../../base/limits.ts'
import type { Applied, Store } from '../view.ts'
import type { GroupName, Position, TimerEffect, TimerReply } from './commands.ts'
import { type Channel, Group } from './group.ts'
import { FIRST_POSITION } from './position.ts'
import { Producers } from './producers.ts'

export type TimerApplied = Applied<TimerReply, TimerEffect>

/** When and with what a command is applied. */
export interface Moment {
  readonly at: number
  readonly store: Store
}

const CHANNEL_BYTES = 500

export class Partition {
  /** By name, in order of creation: their numbers. */
  readonly channels = new Map<string, Channel>()
  readonly producers = new Producers()
  readonly dirtyChannels = new Set<Channel>()
  readonly dirtyGroups = new Set<Group>()
  lastIndex = 0
  lastFence = 0
  lastAt = 0
  nextGroup = 0
  messages = 0

  /** Position up to which everything could have fired: no later message sorts at or below it. */
  get horizon(): Position {
    return { due: this.lastAt, index: this.lastIndex }
  }

  group({ channel, group }: GroupName): Group | undefined {
    return this.channels.get(channel)?.groups.get(group)
  }

  *groups(): Iterable<Group> {
    for (const channel of this.channels.values()) yield* channel.groups.values()
  }

  /** To be called before a command changes the group. */
  willChange(group: Group): void {
    group.willChange()
    this.dirtyGroups.add(group)
  }

  get channelsLeft(): number {
    return CHANNELS_MAX - this.channels.size
  }

  /** The caller knows that there is room. */
  openChannel(name: string): Channel {
    const known = this.channels.get(name)
    if (known !== undefined) return known
    const number = this.channels.size
    const channel: Channel = { number, name, messages: 0, firedUpTo: FIRST_POSITION, groups: new Map() }
    this.channels.set(name, channel)
    this.dirtyChannels.add(channel)
    return channel
  }

  createGroup(channel: Channel, name: string, cursor: Position, passed: number | undefined): Group {
    return this.restoreGroup(this.nextGroup++, channel, name, cursor, passed)
  }

  /** As a row tells it. */
  restoreGroup(number: number, channel: Channel, name: string, cursor: Position, passed: number | undefined): Group {
    const group = new Group(number, channel, name, cursor, passed)
    channel.groups.set(name, group)
    this.dirtyGroups.add(group)
    return group
  }

  bytes(): number {
    let bytes = this.producers.bytes() + this.channels.size * CHANNEL_BYTES
    for (const group of this.groups()) bytes += group.bytes()
    return bytes
  }
}
