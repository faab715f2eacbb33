/**
 * A group of a channel: its cursor, its outstanding messages and its sessions. What is at or below the cursor and not
 * outstanding is done. Fields are open to the files that apply commands; each marks what it changed.
 */
import { AckedFences } from './acked-fences.ts'
import type { Position, TimerEffect } from './commands.ts'
import { Outstanding } from './outstanding.ts'
import type { Session } from './session.ts'
import { NONE } from './slots.ts'

export interface Channel {
  readonly number: number
  readonly name: string
  /** Messages stored and not deleted. */
  messages: number
  /** The highest cursor that any of its groups ever had. */
  firedUpTo: Position
  readonly groups: Map<string, Group>
}

const SESSION_BYTES = 500
const GROUP_BYTES = 1_000

export class Group {
  readonly number: number
  readonly channel: Channel
  readonly name: string
  readonly outstanding: Outstanding
  readonly acked = new AckedFences()
  /** By session id, and by the consumer's name: one session each. */
  readonly sessions = new Map<string, Session>()
  readonly consumers = new Map<string, Session>()
  /** The effect of nearly every command, made once. */
  readonly changed: readonly TimerEffect[]
  cursor: Position
  /** Messages of the channel at or below the cursor; undefined when the group began in their midst, uncounted. */
  passed: number | undefined
  nextSession = 0
  /** It is on its way to rows, and not copied yet. */
  frozen: { copy(): void } | undefined
  /** What the next freeze takes along beside the group's own row, and how many rows of each there are. */
  sessionsChanged = false
  sessionRows = 0
  outstandingRows = 0

  constructor(number: number, channel: Channel, name: string, cursor: Position, passed: number | undefined) {
    this.number = number
    this.channel = channel
    this.name = name
    this.cursor = cursor
    this.passed = passed
    this.outstanding = new Outstanding(number)
    this.changed = [{ type: 'groupChanged', channel: channel.name, group: name }]
  }

  /** To be called before anything of the group is changed: what is on its way to rows stays as it was. */
  willChange(): void {
    this.frozen?.copy()
  }

  bytes(): number {
    return GROUP_BYTES + this.sessions.size * SESSION_BYTES + this.outstanding.bytes() + this.acked.bytes()
  }

  addSession(id: string, consumer: string): Session {
    return this.restoreSession(id, consumer, this.nextSession++)
  }

  /** As a row tells it. */
  restoreSession(id: string, consumer: string, number: number): Session {
    const leasesEnded: TimerEffect = { type: 'leasesEnded', channel: this.channel.name, group: this.name, session: id }
    const session: Session = { id, consumer, number, leased: 0, head: NONE, leasesEnded: [leasesEnded] }
    this.sessions.set(id, session)
    this.consumers.set(consumer, session)
    return session
  }

  /** Its leases return to their own places. */
  removeSession(session: Session, at: number): void {
    this.releaseLeases(session, at, () => true)
    this.sessions.delete(session.id)
    this.consumers.delete(session.consumer)
    this.sessionsChanged = true
  }

  /** Ends the leases of a session that `ends` picks by slot. */
  releaseLeases(session: Session, at: number, ends: (slot: number) => boolean): void {
    const { slots } = this.outstanding
    let slot = session.head
    while (slot !== NONE) {
      const next = slots.next[slot] as number
      if (ends(slot)) this.outstanding.release(slot, slots.due[slot] as number, at)
      slot = next
    }
  }
}
