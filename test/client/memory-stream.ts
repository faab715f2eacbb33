/** A consumer's stream at the in-memory node: leases without end, redelivery on nack and when a stream ends in order. */
import * as grpc from '@grpc/grpc-js'
import { toErrorMessage } from '../../src/wire/errors.ts'
import type { ConsumeRequest, Messages } from '../../src/wire/messages.ts'
import { checkSubscribe } from '../../src/wire/queue-requests.ts'
import type { Init } from '../../src/wire/wire.ts'

export type Server = Messages<Uint8Array>
export type ConsumeCall = grpc.ServerDuplexStream<ConsumeRequest, Init<Server['ConsumeResponse']>>

interface Stored {
  readonly due: number
  readonly index: number
  readonly channel: string
  readonly body: Uint8Array
}

interface Group {
  readonly topic: string
  readonly channel: string
  readonly group: string
  readonly counts: Map<number, number>
  readonly leased: Map<number, number>
  readonly done: Set<number>
}

export interface Part {
  readonly stored: Stored[]
  readonly groups: Map<string, Group>
  readonly producers: Map<string, number>
  readonly streams: Set<MemoryStream>
}

export class MemoryStream {
  readonly #partOf: (topic: string, partition: number) => Part
  readonly #call: ConsumeCall
  #part: Part | undefined
  #group: Group | undefined
  /** Fence by message index. */
  readonly #held = new Map<number, number>()
  #credit = 0
  #mark = 0
  #timer: NodeJS.Timeout | undefined
  #toldCaughtUp = false

  constructor(partOf: (topic: string, partition: number) => Part, call: ConsumeCall) {
    this.#partOf = partOf
    this.#call = call
  }

  received(request: ConsumeRequest): void {
    if (request.subscribe !== null) this.#subscribe(request.subscribe)
    else if (request.mark !== null) this.#echo(request.mark.id)
    else if (request.ack !== null) this.#settle(request.ack, (group, index) => group.done.add(index))
    else if (request.nack !== null) this.#settle(request.nack, () => undefined)
    else if (request.extend !== null) this.#call.write({ settled: { id: request.extend.id, lost: [] } })
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#part?.streams.delete(this)
    for (const [index, fence] of this.#held)
      if (this.#group?.leased.get(index) === fence) this.#group.leased.delete(index)
    for (const other of this.#part?.streams ?? []) other.pump()
    this.#call.end()
  }

  /** The stream is lost and nobody told this node: its leases stay. */
  break(): void {
    clearTimeout(this.#timer)
    this.#held.clear()
    this.#part?.streams.delete(this)
    this.#call.emit('error', { code: grpc.status.UNAVAILABLE, details: 'broken' })
  }

  pump(): void {
    if (this.#group === undefined || this.#part === undefined) return
    clearTimeout(this.#timer)
    const { counts, leased, done, channel } = this.#group
    const now = Date.now()
    const open = this.#part.stored
      .filter((m) => m.channel === channel && !done.has(m.index) && !leased.has(m.index))
      .sort((a, b) => a.due - b.due || a.index - b.index)
    const due = open.filter((m) => m.due <= now)
    const room = due.slice(0, this.#credit - this.#held.size)
    const deliveries = room.map(({ due: dueMs, index, body }) => {
      const fence = nextFence(this.#group)
      const count = (counts.get(index) ?? 0) + 1
      counts.set(index, count)
      leased.set(index, fence)
      this.#held.set(index, fence)
      return { dueMs, index, fence, count, body }
    })
    if (deliveries.length > 0) {
      this.#toldCaughtUp = false
      this.#call.write({ deliveries: { deliveredMs: now, leaseMs: 30_000, mark: this.#mark, deliveries } })
    }
    if (room.length === due.length && !this.#toldCaughtUp) {
      this.#toldCaughtUp = true
      this.#call.write({ caughtUp: { atMs: now } })
    }
    const next = open[due.length]
    if (next !== undefined) this.#timer = setTimeout(() => this.pump(), Math.min(next.due - now, 60_000))
  }

  #subscribe(request: NonNullable<ConsumeRequest['subscribe']>): void {
    try {
      checkSubscribe(request)
      const part = this.#partOf(request.topic, request.partition)
      const channel = request.channel || 'master'
      const key = `${channel}/${request.group}`
      const { topic, group: name } = request
      const group = part.groups.get(key) ?? {
        topic,
        channel,
        group: name,
        counts: new Map(),
        leased: new Map(),
        done: new Set(),
      }
      part.groups.set(key, group)
      this.#part = part
      this.#group = group
      this.#credit = request.credit
      const kept = request.holds.filter(({ index, fence }) => group.leased.get(index) === fence)
      if (request.reattach) {
        group.leased.clear()
        for (const { index, fence } of kept) {
          group.leased.set(index, fence)
          this.#held.set(index, fence)
        }
      }
      part.streams.add(this)
      this.#call.write({ subscribed: { cursor: { dueMs: 0, index: 0 }, kept } })
      this.pump()
    } catch (error) {
      this.#call.write({ end: toErrorMessage(error) })
      this.#call.end()
    }
  }

  #echo(id: number): void {
    this.#mark = id
    this.#call.write({ mark: { id } })
  }

  #settle(
    { id, index, fence }: { readonly id: number; readonly index: readonly number[]; readonly fence: readonly number[] },
    done: (group: Group, index: number) => void,
  ): void {
    const lost: number[] = []
    for (const [place, at] of index.entries()) {
      if (this.#group === undefined || this.#group.leased.get(at) !== fence[place]) lost.push(place)
      else {
        this.#group.leased.delete(at)
        this.#held.delete(at)
        done(this.#group, at)
      }
    }
    this.#call.write({ settled: { id, lost } })
    this.pump()
  }
}

function nextFence(group: Group | undefined): number {
  return [...(group?.counts.values() ?? [])].reduce((sum, n) => sum + n, 1)
}
