/**
 * Which rows of a snapshot are rows of a timer partition: each is looked at on its way in, in the order of the keys, before
 * anything is given up for it. What passes is read without a fault, by a load or later by apply, whatever its numbers. What
 * rows must be to each other is for the load to say (load.ts). Their fields are those of rows.ts and the files beside it.
 */
import { CHANNELS_MAX, COUNTER_GIVEN_MAX, COUNTER_MAX, DUE_MS_MAX } from '../../../base/limits.ts'
import { ACKED_BYTES } from '../acked-fences.ts'
import { keyNumber, messageKeyPosition, partKey, TAG } from '../keys.ts'
import { isMessageRow } from '../message-row.ts'
import { ROWS_VERSION } from '../rows.ts'
import { NAME_BYTES_MAX, REASON_BYTES_MAX, SPAN_MS_MAX } from './command.ts'
import { Walk } from './walk.ts'

/** Numbers of four bytes in keys, which are counted from 0. */
const NUMBER_MAX = 2 ** 31
/** A place in time, and a span from there. */
const TIME_MAX = 2 * SPAN_MS_MAX
const PART_ROWS_MAX = 4_096
/** Of a command's reason each byte may be no character: as a row it is then the three bytes of U+FFFD. */
const REASON_ROW_BYTES_MAX = 3 * REASON_BYTES_MAX
/** Thousands of millions of redeliveries. */
const BLOCKS_MAX = 2 ** 20

/** Of one snapshot. */
export class TimerRowCheck {
  #lastIndex = 0
  #lastFence = 0
  #channels = 0
  /** Rows of cold blocks that no group has named. */
  readonly #blocks = new Set<string>()

  takes(key: string, value: Uint8Array): boolean {
    const walk = new Walk(value, 0)
    switch (key.charAt(0)) {
      case TAG.counters:
        return key.length === 1 && this.#counters(walk)
      case TAG.coldBlock:
        return key.length === 9 && this.#coldBlock(key, walk)
      case TAG.channel:
        return key.length === 5 && this.#channel(key, walk)
      case TAG.group:
        return key.length === 5 && this.#group(key, walk)
      case TAG.ackedFences:
        return key.length === 9 && this.#acked(walk)
      case TAG.message:
        return key.length === 17 && this.#message(key, value)
      case TAG.outstanding:
        return key.length === 9 && this.#records(walk, true)
      case TAG.producer:
        return key.length <= TAG.producer.length + NAME_BYTES_MAX && this.#producer(walk)
      case TAG.reason:
        return key.length === 13 && value.byteLength <= REASON_ROW_BYTES_MAX
      case TAG.sessions:
        return key.length === 9 && sessions(walk)
      default:
        return false
    }
  }

  #counters(walk: Walk): boolean {
    if (walk.number() !== ROWS_VERSION) return false
    this.#lastIndex = walk.number(COUNTER_GIVEN_MAX)
    this.#lastFence = walk.number(COUNTER_GIVEN_MAX)
    walk.number(DUE_MS_MAX)
    walk.number(NUMBER_MAX)
    walk.number(COUNTER_GIVEN_MAX)
    return walk.whole
  }

  #coldBlock(key: string, walk: Walk): boolean {
    this.#blocks.add(key)
    return this.#blocks.size <= BLOCKS_MAX && this.#records(walk, false)
  }

  #channel(key: string, walk: Walk): boolean {
    walk.bytes(NAME_BYTES_MAX)
    walk.number(this.#lastIndex)
    walk.number(DUE_MS_MAX)
    walk.number(this.#lastIndex)
    return walk.whole && keyNumber(key, 0) === this.#channels++ && this.#channels <= CHANNELS_MAX
  }

  #group(key: string, walk: Walk): boolean {
    walk.bytes(NAME_BYTES_MAX)
    walk.bytes(NAME_BYTES_MAX)
    walk.number(DUE_MS_MAX)
    walk.number(COUNTER_MAX)
    walk.number(COUNTER_MAX)
    walk.number(COUNTER_GIVEN_MAX)
    walk.number(NUMBER_MAX)
    walk.number(NUMBER_MAX)
    const nextBlock = walk.number(NUMBER_MAX)
    for (let left = walk.count(); left > 0 && walk.sound; left--) {
      const block = walk.number(nextBlock - 1)
      walk.number(PART_ROWS_MAX)
      walk.number(TIME_MAX)
      walk.number(DUE_MS_MAX)
      walk.number(this.#lastIndex)
      if (!this.#blocks.delete(partKey(TAG.coldBlock, keyNumber(key, 0), block))) walk.fault()
    }
    return walk.whole
  }

  #acked(walk: Walk): boolean {
    walk.number(this.#lastFence)
    const bytes = walk.bytes(ACKED_BYTES)
    return walk.whole && (bytes === 0 || bytes === ACKED_BYTES)
  }

  #message(key: string, value: Uint8Array): boolean {
    const { index } = messageKeyPosition(key)
    const channel = key.charCodeAt(1) * 256 + key.charCodeAt(2)
    return channel < this.#channels && index >= 1 && index <= this.#lastIndex && isMessageRow(value)
  }

  #records(walk: Walk, mayBeLeased: boolean): boolean {
    const count = walk.count()
    let [due, index, fence] = [0, 0, 0]
    for (let left = count; left > 0 && walk.sound; left--) {
      due = walk.next(due, DUE_MS_MAX)
      index = walk.next(index, this.#lastIndex)
      const leased = walk.number(4 * NUMBER_MAX - 1) % 2 === 1
      if (index === 0 || (leased && !mayBeLeased)) walk.fault()
      if (!leased) {
        walk.next(due, TIME_MAX)
        continue
      }
      walk.number(COUNTER_GIVEN_MAX)
      fence = walk.next(fence, this.#lastFence)
      // 0 is that of no lease.
      if (fence === 0) walk.fault()
      walk.number(TIME_MAX)
      walk.number(TIME_MAX)
    }
    return walk.whole && count > 0 && count <= PART_ROWS_MAX
  }

  #producer(walk: Walk): boolean {
    let sequences = walk.number(this.#lastIndex)
    walk.number(DUE_MS_MAX)
    walk.number(COUNTER_GIVEN_MAX)
    let [due, index] = [0, 0]
    for (let left = walk.count(); left > 0 && walk.sound; left--) {
      due = walk.next(due, DUE_MS_MAX)
      index = walk.next(index, this.#lastIndex)
      const count = walk.number(this.#lastIndex + 1 - index)
      sequences -= count
      if (index === 0 || count === 0 || sequences < 0) walk.fault()
    }
    return walk.whole
  }
}

function sessions(walk: Walk): boolean {
  for (let left = walk.count(); left > 0 && walk.sound; left--) {
    walk.bytes(NAME_BYTES_MAX)
    walk.bytes(NAME_BYTES_MAX)
    walk.number(COUNTER_GIVEN_MAX)
  }
  return walk.whole
}
