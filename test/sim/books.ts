/**
 * The promises of the queue, counted by somebody who sees everything: what was asked for and answered, what was handed
 * out to whom under which fence, what was acknowledged.
 */
import type { GroupId } from '../../src/base/ids.ts'
import type { Position } from '../../src/views/timer/commands.ts'

/** What became of a message as far as its producer was told. */
export interface Produced {
  state: 'asked' | 'stored' | 'refused'
  readonly sentMs: number
  readonly delayMs: number
  position: Position | undefined
}

export interface HandedOut {
  readonly partition: GroupId
  readonly group: string
  readonly consumer: string
  readonly due: number
  readonly index: number
  readonly fence: number
  readonly value: string
  readonly deliveredMs: number
}

type Fail = (kind: string, text: string) => void

/** Consumers of one group that count a message as theirs. */
export interface HolderView {
  readonly name: string
  counts(index: number): boolean
}

export class Books {
  readonly #fail: Fail
  readonly #now: () => number
  /** How much earlier than asked a delay may end in true time, ms. */
  readonly #earlyMsMax: number
  readonly #produced = new Map<string, Produced>()
  readonly #fences = new Map<string, string>()
  /** By partition, group and index: the fence under which it was acknowledged. */
  readonly #acked = new Map<string, number>()
  readonly #delivered = new Map<string, Set<string>>()
  #stored = 0

  constructor(parts: { readonly fail: Fail; readonly now: () => number; readonly earlyMsMax: number }) {
    this.#fail = parts.fail
    this.#now = parts.now
    this.#earlyMsMax = parts.earlyMsMax
  }

  get stored(): number {
    return this.#stored
  }

  get acked(): number {
    return this.#acked.size
  }

  asked(partition: GroupId, value: string, delayMs: number): void {
    this.#produced.set(`${partition} ${value}`, { state: 'asked', sentMs: this.#now(), delayMs, position: undefined })
  }

  refused(partition: GroupId, value: string): void {
    const produced = this.#produced.get(`${partition} ${value}`)
    if (produced?.state === 'asked') produced.state = 'refused'
  }

  /** Answered: a repeated answer names the same position. */
  answered(partition: GroupId, value: string, position: Position | undefined): void {
    const produced = this.#produced.get(`${partition} ${value}`)
    if (produced === undefined) return
    if (produced.state !== 'stored') this.#stored++
    produced.state = 'stored'
    const known = produced.position
    if (
      known !== undefined &&
      position !== undefined &&
      (known.index !== position.index || known.due !== position.due)
    ) {
      this.#fail('twoPositions', `${value} was answered with ${JSON.stringify(known)} and ${JSON.stringify(position)}`)
    }
    produced.position ??= position
  }

  handedOut(message: HandedOut, others: Iterable<HolderView>): void {
    const { partition, group, consumer, due, index, fence, value } = message
    const what = `${value} (${due}, ${index}) of ${partition} to ${consumer} of ${group} under ${fence}`
    this.#checkTime(message, what)
    const holder = this.#fences.get(`${partition} ${fence}`)
    if (holder !== undefined) this.#fail('fenceTwice', `${what}, before to ${holder}`)
    this.#fences.set(`${partition} ${fence}`, `${consumer} with ${index}`)
    const acked = this.#acked.get(`${partition} ${group} ${index}`)
    if (acked !== undefined && fence > acked) this.#fail('afterAck', `${what}, acknowledged under ${acked}`)
    for (const other of others) {
      if (other.counts(index)) this.#fail('twoHolders', `${what}, held by ${other.name}`)
    }
    let delivered = this.#delivered.get(`${partition} ${group}`)
    if (delivered === undefined) {
      delivered = new Set()
      this.#delivered.set(`${partition} ${group}`, delivered)
    }
    delivered.add(value)
  }

  acknowledged(partition: GroupId, group: string, index: number, fence: number): void {
    this.#acked.set(`${partition} ${group} ${index}`, fence)
  }

  /** At the end: what a replica stores against what producers were told. */
  checkStored(partition: GroupId, replica: string, stored: readonly (Position & { readonly value: string })[]): void {
    const found = new Map<string, Position>()
    for (const { value, due, index } of stored) {
      if (found.has(value))
        this.#fail('storedTwice', `${replica} stores ${value} at ${found.get(value)?.index} and ${index}`)
      found.set(value, { due, index })
      const produced = this.#produced.get(`${partition} ${value}`)
      if (produced === undefined) this.#fail('storedUnasked', `${replica} stores ${value}, which nobody produced`)
      if (produced?.state === 'refused') this.#fail('storedRefused', `${replica} stores ${value}, which was refused`)
    }
    for (const [key, { state, position }] of this.#produced) {
      const value = key.slice(`${partition} `.length)
      if (state !== 'stored' || !key.startsWith(`${partition} `)) continue
      const at = found.get(value)
      if (at === undefined) this.#fail('lost', `${replica} lacks ${value}, which was acknowledged`)
      else if (position !== undefined && (at.index !== position.index || at.due !== position.due)) {
        this.#fail(
          'moved',
          `${replica} has ${value} at ${JSON.stringify(at)}, answered was ${JSON.stringify(position)}`,
        )
      }
    }
  }

  /** At the end: everything stored was handed out to every group. */
  checkDelivered(partition: GroupId, group: string, values: Iterable<string>): void {
    const delivered = this.#delivered.get(`${partition} ${group}`)
    for (const value of values) {
      if (!delivered?.has(value)) this.#fail('neverDelivered', `${value} of ${partition} never came to ${group}`)
    }
  }

  #checkTime({ partition, due, value, deliveredMs }: HandedOut, what: string): void {
    if (deliveredMs < due) this.#fail('early', `${what} at ${deliveredMs}`)
    const produced = this.#produced.get(`${partition} ${value}`)
    if (produced === undefined) return
    const waited = this.#now() - produced.sentMs
    if (waited < produced.delayMs - this.#earlyMsMax)
      this.#fail('early', `${what} after ${waited} ms, asked were ${produced.delayMs}`)
  }
}
