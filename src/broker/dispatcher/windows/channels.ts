/** The channels of a partition that somebody reads: their windows, and the groups that wait for new messages. */
import type { Position, TimerEffect } from '../../../views/timer/commands.ts'
import type { DispatchedGroup } from '../context.ts'
import { ChannelWindows } from './channel-windows.ts'
import type { KnownMessage } from './sorted-messages.ts'
import type { Source, Window } from './window.ts'

interface Channel {
  readonly windows: ChannelWindows<DispatchedGroup>
  /** They want to hear of messages that are due early enough. */
  readonly hungry: Set<DispatchedGroup>
  /** Of the entry that is being taken. */
  messages: KnownMessage[]
  earliest: number
}

export interface ChannelSource extends Omit<Source, 'scan'> {
  scan(channel: string, after: Position): Promise<readonly KnownMessage[]>
}

export class Channels {
  readonly #source: ChannelSource
  readonly #channels = new Map<string, Channel>()
  readonly #touched = new Set<Channel>()

  constructor(source: ChannelSource) {
    this.#source = source
  }

  windows(name: string): ChannelWindows<DispatchedGroup> {
    return this.#open(name).windows
  }

  readersOf(name: string, window: Window): readonly DispatchedGroup[] {
    return this.#channels.get(name)?.windows.readersOf(window) ?? []
  }

  /** Takes new messages of an entry; {@link stored} ends it. */
  add({ channels, positions, bodies }: Extract<TimerEffect, { type: 'stored' }>): void {
    for (const [i, { due, index }] of positions.entries()) {
      const channel = this.#channels.get(channels[i] ?? '')
      const body = bodies[i]
      if (channel === undefined || body === undefined) continue
      channel.messages.push({ due, index, body })
      channel.earliest = Math.min(channel.earliest, due)
      this.#touched.add(channel)
    }
  }

  /** Shows the messages to the windows, and wakes the groups that wait for them. */
  stored(wake: (group: DispatchedGroup) => void): void {
    for (const channel of this.#touched) {
      channel.windows.stored(channel.messages, channel.earliest)
      for (const group of channel.hungry) if (channel.earliest < group.outlook.hungryFor) wake(group)
      channel.messages = []
      channel.earliest = Number.POSITIVE_INFINITY
    }
    this.#touched.clear()
  }

  /** The group has run. */
  note(group: DispatchedGroup): void {
    const hungry = group.outlook.hungryFor !== Number.NEGATIVE_INFINITY
    if (hungry) this.#open(group.name.channel).hungry.add(group)
    else this.#channels.get(group.name.channel)?.hungry.delete(group)
  }

  /** The group needs nothing any more. */
  forget(group: DispatchedGroup): void {
    const { channel: name } = group.name
    const channel = this.#channels.get(name)
    if (channel === undefined) return
    channel.windows.leave(group)
    channel.hungry.delete(group)
    if (channel.windows.size === 0 && channel.hungry.size === 0) this.#channels.delete(name)
  }

  /** Known messages ahead of the slowest reader of the channel. */
  count(name: string, now: number): { due: number; scheduled: number } {
    return this.#channels.get(name)?.windows.count(now) ?? { due: 0, scheduled: 0 }
  }

  /** How many windows there are. */
  get windowCount(): number {
    let count = 0
    for (const { windows } of this.#channels.values()) count += windows.size
    return count
  }

  close(): void {
    for (const { windows } of this.#channels.values()) windows.close()
    this.#channels.clear()
  }

  #open(name: string): Channel {
    let channel = this.#channels.get(name)
    if (channel === undefined) {
      const { now, budget } = this.#source
      const scan = (after: Position) => this.#source.scan(name, after)
      const windows = new ChannelWindows<DispatchedGroup>({ scan, now, budget })
      channel = { windows, hungry: new Set(), messages: [], earliest: Number.POSITIVE_INFINITY }
      this.#channels.set(name, channel)
    }
    return channel
  }
}
