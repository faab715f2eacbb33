/**
 * What becomes of leases: acknowledged, given back, extended, run out. Each item names its lease by fence; one that is
 * not the current one is lost, and the others of the command take effect all the same.
 */
import type { AckCommand, ExpireCommand, ExtendCommand, Held, NackCommand, NackItem, TimerEffect } from './commands.ts'
import type { Group } from './group.ts'
import { reasonKey } from './keys.ts'
import type { Moment, Partition, TimerApplied } from './partition.ts'
import type { Session } from './session.ts'
import { NONE } from './slots.ts'

const utf8 = new TextEncoder()

export function applyAck(partition: Partition, command: AckCommand): TimerApplied {
  const end = ({ outstanding, acked }: Group, slot: number, item: Held) => {
    outstanding.finish(slot)
    acked.add(item.fence)
    return true
  }
  return settle(partition, command, end, ({ acked }, item) => acked.has(item.fence))
}

export function applyNack(partition: Partition, command: NackCommand, { at, store }: Moment): TimerApplied {
  const applied = settle(partition, command, (group, slot, item) => {
    const { slots } = group.outstanding
    if (item.reason !== '') {
      slots.hasReason[slot] = 1
      store.put(reasonKey(group.number, item.index), utf8.encode(item.reason))
    }
    group.outstanding.release(slot, redeliveredFrom(item, slots.due[slot] as number, at), at)
    return true
  })
  partition.group(command)?.outstanding.spill(at, store)
  return applied
}

export function applyExtend(partition: Partition, command: ExtendCommand, { at }: Moment): TimerApplied {
  const deadline = at + command.leaseMs
  const applied = settle(partition, command, ({ outstanding }, slot) => {
    outstanding.extend(slot, deadline, command.leaseMs)
    return true
  })
  if (applied.reply.type !== 'settled') return applied
  return { reply: { ...applied.reply, deadline }, effects: applied.effects }
}

/** A deadline that moved, or one that at' has not reached, keeps its lease: P4. */
export function applyExpire(partition: Partition, command: ExpireCommand, { at }: Moment): TimerApplied {
  return settle(partition, command, ({ outstanding }, slot, item) => {
    const { slots } = outstanding
    if (slots.time[slot] !== item.deadline || item.deadline > at) return false
    outstanding.release(slot, slots.due[slot] as number, at)
    return true
  })
}

/**
 * Calls `end` for each item whose fence is current; it answers whether the item took effect. `repeats`: an item without a
 * current lease asks for what has happened already.
 */
function settle<I extends Held>(
  partition: Partition,
  command: { readonly channel: string; readonly group: string; readonly items: readonly I[] },
  end: (group: Group, slot: number, item: I) => boolean,
  repeats: (group: Group, item: I) => boolean = () => false,
): TimerApplied {
  const group = partition.group(command)
  if (group === undefined) return { reply: { type: 'groupNotFound' }, effects: [] }
  group.willChange()
  const { slots } = group.outstanding
  const lost: number[] = []
  const released = new Released()
  let place = 0
  let done = 0
  for (const item of command.items) {
    const slot = group.outstanding.held(item.index, item.fence)
    const holder = slots.holder[slot]
    if (slot !== NONE && end(group, slot, item)) {
      done++
      if (slots.holder[slot] !== holder) released.add(holder)
    } else if (!repeats(group, item)) lost.push(place)
    place++
  }
  const reply = { type: 'settled', lost, done } as const
  if (done === 0) return { reply, effects: [] }
  partition.dirtyGroups.add(group)
  return { reply, effects: released.effects ?? group.changed }
}

/** Whose leases a command has ended: nearly always one session's. */
class Released {
  #first: Session | undefined
  #others: Set<Session> | undefined

  add(session: Session | undefined): void {
    if (session === undefined || session === this.#first) return
    if (this.#first === undefined) this.#first = session
    else {
      this.#others ??= new Set()
      this.#others.add(session)
    }
  }

  get effects(): readonly TimerEffect[] | undefined {
    const first = this.#first?.leasesEnded
    if (first === undefined || this.#others === undefined) return first
    return [...first, ...Array.from(this.#others, ({ leasesEnded }) => leasesEnded).flat()]
  }
}

/** Its own place is its due time: then it comes before everything that was given back later than it was due. */
function redeliveredFrom(item: NackItem, due: number, at: number): number {
  return item.keepPlace ? due : at + item.delayMs
}
