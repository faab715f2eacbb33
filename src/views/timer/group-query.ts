/** What the dispatcher and the read methods see of a group. Nothing here changes its meaning. */
import type { Reader } from '../view.ts'
import type { Position } from './commands.ts'
import type { Group } from './group.ts'
import { reasonKey } from './keys.ts'
import { isBefore } from './position.ts'
import type { GroupView, Lease, SessionInfo, Waiting } from './queries.ts'
import { NONE } from './slots.ts'

/** What the partition knows beside the group. */
interface QueryContext {
  readonly lastAt: number
}

const utf8 = new TextDecoder()

export class GroupQuery implements GroupView {
  readonly #group: Group
  readonly #context: QueryContext

  constructor(group: Group, context: QueryContext) {
    this.#group = group
    this.#context = context
  }

  get channel(): string {
    return this.#group.channel.name
  }

  get group(): string {
    return this.#group.name
  }

  get cursor(): Position {
    return this.#group.cursor
  }

  get committed(): Position {
    const lowest = this.#group.outstanding.lowest()
    return lowest === undefined ? this.#group.cursor : { due: lowest.due, index: lowest.index - 1 }
  }

  get outstanding(): number {
    this.#settle()
    return this.#group.outstanding.counted
  }

  get leased(): number {
    return this.#group.outstanding.leased.size
  }

  get waiting(): number {
    return this.#group.outstanding.waiting
  }

  get pending(): number | undefined {
    const { passed, channel } = this.#group
    return passed === undefined ? undefined : channel.messages - passed
  }

  get sessionCount(): number {
    return this.#group.sessions.size
  }

  leasedBy(session: string): number | undefined {
    return this.#group.sessions.get(session)?.leased
  }

  sessions(): readonly SessionInfo[] {
    return Array.from(this.#group.sessions.values(), ({ consumer, id, leased }) => ({ consumer, session: id, leased }))
  }

  ready(until: number, limit: number): readonly Waiting[] {
    this.#settle()
    const { outstanding } = this.#group
    const { due, index, time, count } = outstanding.slots
    return outstanding.ready(until, limit).map((slot) => ({
      due: due[slot] as number,
      index: index[slot] as number,
      notBefore: time[slot] as number,
      count: count[slot] as number,
    }))
  }

  readyCount(until: number, limit: number): number {
    this.#settle()
    return this.#group.outstanding.readyCount(until, limit)
  }

  cold(until: number): number {
    return this.#group.outstanding.cold.countFrom(until)
  }

  thaws(until: number): boolean {
    return this.#group.outstanding.thaws(until)
  }

  thaw(reader: Reader, until: number): Promise<void> {
    this.#settle()
    return this.#group.outstanding.thaw(reader, until, () => {
      this.#group.willChange()
      return this.#context.lastAt
    })
  }

  nextReadyAt(): number | undefined {
    return finite(this.#group.outstanding.nextReadyAt())
  }

  expired(until: number, limit: number): readonly Lease[] {
    const { leased } = this.#group.outstanding
    return leased.firsts(until, limit).map((slot) => this.#lease(slot))
  }

  nextDeadline(): number | undefined {
    return finite(this.#group.outstanding.leased.firstTime())
  }

  *leases(session?: string): Iterable<Lease> {
    const { slots } = this.#group.outstanding
    if (session === undefined) {
      for (const slot of slots.live()) if (this.#group.outstanding.isLeased(slot)) yield this.#lease(slot)
      return
    }
    let slot = this.#group.sessions.get(session)?.head ?? NONE
    while (slot !== NONE) {
      yield this.#lease(slot)
      slot = slots.next[slot] as number
    }
  }

  async stateOf(reader: Reader, position: Position): Promise<'done' | 'leased' | 'waiting' | 'ahead'> {
    const { outstanding, cursor } = this.#group
    const slot = outstanding.slots.find(position.index)
    if (slot !== NONE) return outstanding.isLeased(slot) ? 'leased' : 'waiting'
    if (isBefore(cursor, position)) return 'ahead'
    return (await outstanding.cold.has(reader, position)) ? 'waiting' : 'done'
  }

  async reason(reader: Reader, index: number): Promise<string | undefined> {
    const [row] = await reader.getMany([reasonKey(this.#group.number, index)])
    if (row instanceof Error) throw row
    return row === undefined ? undefined : utf8.decode(row)
  }

  /** Memory is laid out anew by this; the meaning stays, and the rows of the last checkpoint still tell it. */
  #settle(): void {
    this.#group.outstanding.becomeDue(this.#context.lastAt)
  }

  #lease(slot: number): Lease {
    const { due, index, fence, count, time, leaseMs, holder } = this.#group.outstanding.slots
    return {
      due: due[slot] as number,
      index: index[slot] as number,
      fence: fence[slot] as number,
      count: count[slot] as number,
      session: holder[slot]?.id ?? '',
      deadline: time[slot] as number,
      leaseMs: leaseMs[slot] as number,
    }
  }
}

function finite(time: number): number | undefined {
  return Number.isFinite(time) ? time : undefined
}
