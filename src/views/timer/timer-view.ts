/**
 * The meaning of a timer partition's log (architecture §6): messages in the order of their due times, and for each group
 * of a channel what was handed out, to whom, and what is done. Deterministic: two replicas that applied the same commands
 * mean the same, whenever each of them was frozen or loaded.
 */
import { assert, unreachable } from '../../base/assert.ts'
import type { ApplyContext, FrozenRows, Reader, RowCheck, Store, View } from '../view.ts'
import { applyAttach, applyDetach } from './attach.ts'
import { isTimerCommand } from './check/command.ts'
import { TimerRowCheck } from './check/rows.ts'
import { decodeTimerCommand } from './codec.ts'
import type { GroupName, Position, TimerCommand, TimerEffect, TimerReply } from './commands.ts'
import { applyDeliver } from './deliver.ts'
import { freezePartition } from './freeze/frozen-partition.ts'
import { GroupQuery } from './group-query.ts'
import { messageKey, messageKeyPosition, messageRange } from './keys.ts'
import { loadPartition } from './load.ts'
import { bodyOfRow } from './message-row.ts'
import { type Moment, Partition, type TimerApplied } from './partition.ts'
import { applyProduce } from './produce.ts'
import type { GroupView, StoredMessage, TimerQueries } from './queries.ts'
import { applyAck, applyExpire, applyExtend, applyNack } from './settle.ts'

export interface TimerView extends View<TimerReply, TimerEffect>, TimerQueries {}

/** An empty timer view; `load` fills it. */
export function createTimerView(): TimerView {
  return new TimerPartitionView()
}

class TimerPartitionView implements TimerView {
  #partition = new Partition()

  get lastIndex(): number {
    return this.#partition.lastIndex
  }

  get messageCount(): number {
    return this.#partition.messages
  }

  async load(reader: Reader, lastAt: number): Promise<() => void> {
    const loaded = await loadPartition(reader, lastAt)
    return () => {
      this.#partition = loaded
    }
  }

  rowCheck(): RowCheck {
    return new TimerRowCheck()
  }

  isCommand(bytes: Uint8Array): boolean {
    return isTimerCommand(bytes)
  }

  apply(bytes: Uint8Array, { at, store }: ApplyContext): TimerApplied {
    const command = decodeTimerCommand(bytes)
    const partition = this.#partition
    assert(at >= partition.lastAt, "at' never goes back")
    partition.lastAt = at
    return applyCommand(partition, command, { at, store })
  }

  freeze(store: Store): FrozenRows {
    return freezePartition(this.#partition, store)
  }

  bytes(): number {
    return this.#partition.bytes()
  }

  channels(): readonly string[] {
    return [...this.#partition.channels.keys()]
  }

  channelMessages(channel: string): number {
    return this.#partition.channels.get(channel)?.messages ?? 0
  }

  pending(name: string): number {
    const channel = this.#partition.channels.get(name)
    let most = 0
    if (channel === undefined) return most
    for (const { passed } of channel.groups.values()) {
      if (passed !== undefined) most = Math.max(most, channel.messages - passed)
    }
    return most
  }

  get leaseCount(): number {
    let leases = 0
    for (const group of this.#partition.groups()) leases += group.outstanding.leased.size
    return leases
  }

  firedUpTo(channel: string): Position | undefined {
    return this.#partition.channels.get(channel)?.firedUpTo
  }

  *groups(): Iterable<GroupView> {
    for (const group of this.#partition.groups()) yield new GroupQuery(group, this.#partition)
  }

  group(name: GroupName): GroupView | undefined {
    const group = this.#partition.group(name)
    return group === undefined ? undefined : new GroupQuery(group, this.#partition)
  }

  async scan(
    reader: Reader,
    channel: string,
    range: { readonly after: Position; readonly to: Position },
    limit: number,
    maxBytes: number,
  ): Promise<readonly StoredMessage[]> {
    const known = this.#partition.channels.get(channel)
    if (known === undefined) return []
    const rows = await reader.scan(messageRange(known.number, range.after, range.to), limit, { maxBytes })
    return rows.map(({ key, value }) => ({ ...messageKeyPosition(key), channel, body: bodyOfRow(value) }))
  }

  async count(
    reader: Reader,
    channel: string,
    range: { readonly after: Position; readonly to: Position },
    limit: number,
  ): Promise<number> {
    const known = this.#partition.channels.get(channel)
    return known === undefined ? 0 : reader.count(messageRange(known.number, range.after, range.to), limit)
  }

  async bodies(
    reader: Reader,
    channel: string,
    positions: readonly Position[],
    maxBytes: number,
  ): Promise<readonly (Uint8Array | Error)[]> {
    const known = this.#partition.channels.get(channel)
    assert(known !== undefined, 'bodies are asked for of a channel that has them')
    const keys = positions.map(({ due, index }) => messageKey(known.number, due, index))
    const rows = await reader.getMany(keys, { maxBytes, expected: true })
    return rows.map((row) => {
      assert(row !== undefined, 'an expected row that is missing is told as damage')
      return row instanceof Error ? row : bodyOfRow(row)
    })
  }

  async find(reader: Reader, { due, index }: Position): Promise<StoredMessage | undefined> {
    const channels = [...this.#partition.channels.values()]
    const rows = await reader.getMany(channels.map(({ number }) => messageKey(number, due, index)))
    for (const [i, row] of rows.entries()) {
      if (row instanceof Error) throw row
      if (row !== undefined) return { due, index, channel: channels[i]?.name ?? '', body: bodyOfRow(row) }
    }
    return undefined
  }
}

function applyCommand(partition: Partition, command: TimerCommand, moment: Moment): TimerApplied {
  switch (command.type) {
    case 'produce':
      return applyProduce(partition, command, moment)
    case 'attach':
      return applyAttach(partition, command, moment)
    case 'detach':
      return applyDetach(partition, command, moment)
    case 'deliver':
      return applyDeliver(partition, command, moment)
    case 'ack':
      return applyAck(partition, command)
    case 'nack':
      return applyNack(partition, command, moment)
    case 'extend':
      return applyExtend(partition, command, moment)
    case 'expire':
      return applyExpire(partition, command, moment)
    default:
      return unreachable(command)
  }
}
