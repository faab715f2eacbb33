/**
 * Handing messages out. The dispatcher computed the command outside apply, from an older state; what no longer fits is
 * refused whole (the cursor moved, the time has not come, no room) or dropped singly (done, leased, not yet due again).
 */
import { OUTSTANDING_MAX } from '../../base/limits.ts'
import type { DeliverCommand, DeliverRun, Granted, Position } from './commands.ts'
import type { Group } from './group.ts'
import { reasonKey } from './keys.ts'
import { COUNTED_MAX, type LeaseTerms } from './outstanding.ts'
import type { Moment, Partition, TimerApplied } from './partition.ts'
import { isBefore, isSame } from './position.ts'
import type { Session } from './session.ts'
import { NONE } from './slots.ts'

export function applyDeliver(partition: Partition, command: DeliverCommand, moment: Moment): TimerApplied {
  const group = partition.group(command)
  if (group === undefined) return { reply: { type: 'groupNotFound' }, effects: [] }
  partition.willChange(group)
  group.outstanding.settle(moment.at, moment.store)
  if (!fits(partition, group, command)) return { reply: { type: 'stale', cursor: group.cursor }, effects: [] }

  const delivery = new Delivery(partition, group, command, moment)
  const runs = command.runs.map((run) => delivery.grant(run))
  for (const position of command.parked) delivery.park(position)
  group.cursor = command.to
  if (group.passed !== undefined) group.passed += delivery.passed
  const { channel } = group
  if (isBefore(channel.firedUpTo, group.cursor)) {
    channel.firedUpTo = group.cursor
    partition.dirtyChannels.add(channel)
  }
  return { reply: { type: 'delivered', runs }, effects: group.changed }
}

function fits(partition: Partition, group: Group, { after, to, runs, parked }: DeliverCommand): boolean {
  if (!isSame(after, group.cursor) || isBefore(to, after) || isBefore(partition.horizon, to)) return false
  // No message is there: the next one would sort below what the channel calls handed out.
  if (to.index > partition.lastIndex) return false
  let more = parked.length
  let again = 0
  for (const run of runs) {
    more += run.positions.length
    again += run.again.length
  }
  const { counted, leased } = group.outstanding
  // Redeliveries that are due count already; what lies cold does not yet, and an honest leader names none of it in such numbers.
  if (leased.size + again > COUNTED_MAX) return false
  return more === 0 || counted + more <= OUTSTANDING_MAX
}

/** One deliver command at work. */
class Delivery {
  readonly #partition: Partition
  readonly #group: Group
  readonly #command: DeliverCommand
  readonly #moment: Moment
  /** New positions that the cursor passes. */
  passed = 0

  constructor(partition: Partition, group: Group, command: DeliverCommand, moment: Moment) {
    this.#partition = partition
    this.#group = group
    this.#command = command
    this.#moment = moment
  }

  /** Redeliveries first, since they sort lower. What was meant for a session that is gone waits, so that it is not lost. */
  grant(run: DeliverRun): { session: string; deadline: number; items: readonly Granted[] } {
    const session = this.#group.sessions.get(run.session)
    const deadline = this.#moment.at + run.leaseMs
    const items: Granted[] = []
    if (session === undefined) {
      for (const position of run.positions) this.park(position)
      return { session: run.session, deadline, items }
    }
    this.#group.outstanding.fetch(run.again, this.#moment.at, this.#moment.store)
    for (const index of run.again) {
      const granted = this.#again(index, session, deadline, run.leaseMs)
      if (granted !== undefined) items.push(granted)
    }
    const { outstanding } = this.#group
    for (const { due, index } of run.positions) {
      if (!this.#isNew(due, index)) continue
      const fence = ++this.#partition.lastFence
      outstanding.addLease(due, index, { session, fence, deadline, leaseMs: run.leaseMs })
      items.push({ due, index, fence, count: 1 })
      this.passed++
    }
    return { session: run.session, deadline, items }
  }

  park({ due, index }: Position): void {
    if (!this.#isNew(due, index)) return
    this.#group.outstanding.addWaiting(due, index)
    this.passed++
  }

  #isNew(due: number, index: number): boolean {
    const { after, to } = this.#command
    const isAbove = due > after.due || (due === after.due && index > after.index)
    const isBeyond = due > to.due || (due === to.due && index > to.index)
    const exists = index <= this.#partition.lastIndex
    return isAbove && !isBeyond && exists && this.#group.outstanding.slots.find(index) === NONE
  }

  #again(index: number, session: Session, deadline: number, leaseMs: number): Granted | undefined {
    const { outstanding, number } = this.#group
    const { slots } = outstanding
    const slot = slots.find(index)
    if (slot === NONE || outstanding.isLeased(slot) || (slots.time[slot] as number) > this.#moment.at) return undefined
    if (slots.hasReason[slot] === 1) {
      slots.hasReason[slot] = 0
      this.#moment.store.delete(reasonKey(number, index))
    }
    const terms: LeaseTerms = { session, fence: ++this.#partition.lastFence, deadline, leaseMs }
    outstanding.lease(slot, terms)
    return { due: slots.due[slot] as number, index, fence: terms.fence, count: slots.count[slot] as number }
  }
}
