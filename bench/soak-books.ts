/**
 * Books of a soak: every message has a number, and for each number it is kept how its produce ended, where it was found and
 * whether it was acknowledged. Kills leave deliveries unanswered, and those come again; nothing comes again after a
 * confirmed acknowledgement, before its time, or from two places.
 */
import type { Delivery } from '../src/client/index.ts'

type Place = Pick<Delivery, 'partition' | 'index' | 'dueMs'>

const STORED = 1
const REFUSED = 2
const ACKED = 4
/** Acknowledged, but nobody said whether that arrived: it may come again or not. */
const DOUBTFUL = 8
/** A number below 2^53 and a partition below 1,024 in one. */
const PARTITIONS = 1024

export class SoakBooks {
  readonly #flags: Uint8Array
  readonly #places: Float64Array
  produced = 0
  /** Produces without an answer: they may have been stored. */
  unknown = 0
  refused = 0
  acked = 0
  /** Deliveries beyond the first that the kills explain: the one before was never confirmed as acknowledged. */
  again = 0
  #doubled = 0
  #afterAck = 0
  #early = 0
  #refusedFound = 0
  #waiting = 0

  /** `most` numbers at most. */
  constructor(most: number) {
    this.#flags = new Uint8Array(most)
    this.#places = new Float64Array(most)
  }

  /** Stored, and not yet acknowledged by a consumer. */
  get waiting(): number {
    return this.#waiting
  }

  stored(number: number): void {
    this.produced++
    this.#set(number, STORED)
    if (!this.#has(number, ACKED | DOUBTFUL)) this.#waiting++
  }

  failed(number: number, outcome: 'refused' | 'unknown'): void {
    if (outcome === 'unknown') this.unknown++
    else {
      this.refused++
      this.#set(number, REFUSED)
    }
  }

  /** `nowMs`: wall clock at its arrival. */
  delivered(number: number, { partition, index, dueMs }: Place, nowMs: number): void {
    const place = index * PARTITIONS + partition
    const before = this.#places[number] ?? 0
    if (nowMs < dueMs) this.#early++
    if (this.#has(number, REFUSED)) this.#refusedFound++
    if (this.#has(number, ACKED)) this.#afterAck++
    else if (before === place) this.again++
    if (before !== 0 && before !== place) this.#doubled++
    this.#places[number] = place
  }

  /** Its acknowledgement was confirmed. */
  settled(number: number): void {
    if (this.#has(number, ACKED)) return
    this.acked++
    this.#settle(number, ACKED)
  }

  /** Its acknowledgement got no answer. */
  doubtful(number: number): void {
    this.#settle(number, DOUBTFUL)
  }

  /** 'ok', or what is wrong. */
  verdict(): string {
    const faults = {
      lost: this.#waiting,
      'stored twice': this.#doubled,
      'delivered after its acknowledgement': this.#afterAck,
      early: this.#early,
      'refused and yet found': this.#refusedFound,
    }
    const wrong = Object.entries(faults).filter(([, count]) => count > 0)
    return wrong.length === 0 ? 'ok' : wrong.map(([fault, count]) => `${count} ${fault}`).join(', ')
  }

  #settle(number: number, flag: number): void {
    if (this.#has(number, STORED) && !this.#has(number, ACKED | DOUBTFUL)) this.#waiting--
    this.#set(number, flag)
  }

  #has(number: number, flag: number): boolean {
    return ((this.#flags[number] ?? 0) & flag) !== 0
  }

  #set(number: number, flag: number): void {
    this.#flags[number] = (this.#flags[number] ?? 0) | flag
  }
}
