/**
 * What a timer partition means, as slow and plain as possible: arrays, searched from the front. The timer view must
 * answer like this whatever happens to it in between.
 */
import type {
  AttachCommand,
  DeliverCommand,
  Granted,
  GroupName,
  Held,
  NackItem,
  NewMessage,
  Position,
  ProducerSequence,
  TimerCommand,
  TimerReply,
} from '../../../src/views/timer/commands.ts'

interface Entry extends Position {
  count: number
  /** Waiting: from when. */
  notBefore: number
  reason: string
  lease: { session: string; fence: number; deadline: number; leaseMs: number } | undefined
}

interface ReferenceGroup extends GroupName {
  cursor: Position
  counted: boolean
  sessions: { id: string; consumer: string }[]
  entries: Entry[]
  acked: number[]
}

export class ReferenceQueue {
  at = 0
  lastIndex = 0
  lastFence = 0
  readonly messages: (Position & { channel: string; body: Uint8Array })[] = []
  readonly groups: ReferenceGroup[] = []
  readonly producers = new Map<string, { positions: Position[]; at: number }>()

  apply(command: TimerCommand, at: number): TimerReply {
    this.at = at
    if (command.type === 'produce') return this.#produce(command.messages, command.sequence)
    if (command.type === 'attach') return this.#attach(command)
    const group = this.group(command)
    if (group === undefined) return { type: 'groupNotFound' }
    if (command.type === 'detach') {
      this.#endSession(group, command.session)
      return { type: 'detached' }
    }
    if (command.type === 'deliver') return this.#deliver(group, command)
    const deadline = at + (command.type === 'extend' ? command.leaseMs : 0)
    const answers = [...command.items.keys()].map((i) => this.#settle(group, command, i))
    const lost = [...answers.keys()].filter((i) => answers[i] === 'lost')
    const settled = { type: 'settled', lost, done: answers.filter((a) => a === 'done').length } as const
    return command.type === 'extend' ? { ...settled, deadline } : settled
  }

  group({ channel, group }: GroupName): ReferenceGroup | undefined {
    return this.groups.find((g) => g.channel === channel && g.group === group)
  }

  /** Messages of a channel in order. */
  ordered(channel: string): Position[] {
    const own = this.messages.filter((m) => m.channel === channel)
    return own.map(({ due, index }) => ({ due, index })).sort(compare)
  }

  waiting(group: ReferenceGroup, until: number): Entry[] {
    const waiting = group.entries.filter((e) => e.lease === undefined && e.notBefore <= until)
    return waiting.sort((a, b) => a.notBefore - b.notBefore || a.index - b.index)
  }

  #produce(messages: readonly NewMessage[], sequence: ProducerSequence | undefined): TimerReply {
    const known = sequence === undefined ? undefined : this.producers.get(sequence.producer)
    const isForgotten = known === undefined || this.at - known.at > 3_600_000
    const before = isForgotten ? [] : known.positions
    if (sequence !== undefined && sequence.first > before.length + 1) {
      return { type: 'outOfSequence', expected: before.length + 1 }
    }
    const seen = sequence === undefined ? [] : before.slice(sequence.first - 1, sequence.first - 1 + messages.length)
    const stored = messages.slice(seen.length).map((message) => this.#store(message))
    if (sequence !== undefined)
      this.producers.set(sequence.producer, { positions: [...before, ...stored], at: this.at })
    return { type: 'produced', positions: [...seen, ...stored], duplicates: seen.length }
  }

  #store({ channel, body, deliverAt, delayMs }: NewMessage): Position {
    const position = { due: Math.max(deliverAt ?? this.at + (delayMs ?? 0), this.at), index: ++this.lastIndex }
    this.messages.push({ ...position, channel, body })
    return position
  }

  #attach(command: AttachCommand): TimerReply {
    const { consumer, session, holds } = command
    const group = this.group(command) ?? this.#createGroup(command)
    const own = group.sessions.find((s) => s.id === session)
    const rival = group.sessions.find((s) => s.consumer === consumer)
    const isReplaced = own === undefined && rival !== undefined && holds !== undefined
    if (isReplaced || (own !== undefined && own !== rival)) return { type: 'stale', cursor: group.cursor }
    if (own === undefined && rival !== undefined) this.#endSession(group, rival.id)
    if (own === undefined) group.sessions.push({ id: session, consumer })
    return { type: 'attached', cursor: group.cursor, kept: this.#keep(group, session, holds ?? []) }
  }

  #createGroup({ channel, group: name, start }: AttachCommand): ReferenceGroup {
    const now = this.#now()
    const wanted = { earliest: { due: 0, index: 0 }, latest: now, position: now }[start.type]
    const asked = start.type === 'position' ? start.position : wanted
    const counted = start.type === 'earliest' || this.ordered(channel).length === 0
    const cursor = compare(asked, now) > 0 ? now : asked
    const group = { channel, group: name, cursor, counted, sessions: [], entries: [], acked: [] }
    this.groups.push(group)
    return group
  }

  /** What the session still holds of `holds`; its other leases return. */
  #keep(group: ReferenceGroup, session: string, holds: readonly Held[]): (Granted & { deadline: number })[] {
    const kept: (Granted & { deadline: number })[] = []
    for (const { index, fence } of holds) {
      const entry = group.entries.find((e) => e.index === index && e.lease?.session === session)
      if (entry?.lease?.fence !== fence || kept.some((k) => k.index === index)) continue
      kept.push({ due: entry.due, index, fence, count: entry.count, deadline: entry.lease.deadline })
    }
    for (const entry of group.entries) {
      if (entry.lease?.session === session && !kept.some((k) => k.index === entry.index))
        this.#giveBack(entry, entry.due)
    }
    return kept
  }

  #deliver(group: ReferenceGroup, { after, to, runs, parked }: DeliverCommand): TimerReply {
    const isStale = compare(after, group.cursor) !== 0 || compare(to, after) < 0 || compare(to, this.#now()) > 0
    if (isStale) return { type: 'stale', cursor: group.cursor }
    const enter = (position: Position): Entry | undefined => {
      const isInside = compare(position, after) > 0 && compare(position, to) <= 0
      if (!isInside || group.entries.some((e) => e.index === position.index)) return undefined
      const entry = { ...position, count: 0, notBefore: position.due, reason: '', lease: undefined }
      group.entries.push(entry)
      return entry
    }
    const granted = runs.map(({ session, leaseMs, positions, again }) => {
      const deadline = this.at + leaseMs
      const exists = group.sessions.some((s) => s.id === session)
      const waits = exists ? again.map((index) => this.waiting(group, this.at).find((e) => e.index === index)) : []
      const entries = [...new Set(waits), ...positions.map(enter)].filter((e) => e !== undefined)
      const items = (exists ? entries : []).map((entry) => {
        entry.lease = { session, fence: ++this.lastFence, deadline, leaseMs }
        entry.reason = ''
        return { due: entry.due, index: entry.index, fence: entry.lease.fence, count: ++entry.count }
      })
      return { session, deadline, items }
    })
    parked.forEach(enter)
    group.cursor = to
    return { type: 'delivered', runs: granted }
  }

  /** Lost: the lease is not the current one. */
  #settle(group: ReferenceGroup, command: Settling, i: number): 'done' | 'repeated' | 'lost' {
    const item: Held & Partial<NackItem> & { deadline?: number } = command.items[i] ?? { index: 0, fence: 0 }
    const entry = group.entries.find((e) => e.index === item.index)
    if (command.type === 'ack' && group.acked.includes(item.fence)) return 'repeated'
    if (entry?.lease === undefined || entry.lease.fence !== item.fence) return 'lost'
    if (command.type === 'ack') {
      group.entries = group.entries.filter((e) => e !== entry)
      group.acked.push(item.fence)
    } else if (command.type === 'extend') {
      entry.lease = { ...entry.lease, deadline: this.at + command.leaseMs, leaseMs: command.leaseMs }
    } else if (command.type === 'expire') {
      if (entry.lease.deadline !== item.deadline || item.deadline > this.at) return 'lost'
      this.#giveBack(entry, entry.due)
    } else {
      this.#giveBack(entry, item.keepPlace ? entry.due : this.at + (item.delayMs ?? 0))
      entry.reason = item.reason ?? ''
    }
    return 'done'
  }

  #endSession(group: ReferenceGroup, session: string): void {
    group.sessions = group.sessions.filter((s) => s.id !== session)
    for (const entry of group.entries) if (entry.lease?.session === session) this.#giveBack(entry, entry.due)
  }

  #giveBack(entry: Entry, notBefore: number): void {
    entry.lease = undefined
    entry.notBefore = notBefore
  }

  #now(): Position {
    return { due: this.at, index: this.lastIndex }
  }
}

type Settling = Extract<TimerCommand, { items: unknown }>

export function compare(a: Position, b: Position): number {
  return a.due - b.due || a.index - b.index
}
