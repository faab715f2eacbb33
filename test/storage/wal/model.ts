/**
 * What a log must mean, short enough to be obviously right: the state after the first k writes, for any k. A log that
 * was opened again must equal the state for one k that is not before the last write it confirmed.
 */
import { assert } from '../../../src/base/assert.ts'
import type { Entry, HardState } from '../../../src/base/log-entry.ts'
import type { LogPosition, Wal, WalWrite } from '../../../src/storage/wal/types.ts'
import { readAll } from './harness.ts'

export interface ModelGroup {
  readonly replica: number
  readonly base: LogPosition
  readonly entries: readonly Entry[]
  readonly hard: HardState | undefined
}

export type ModelState = ReadonlyMap<number, ModelGroup | { readonly removed: number }>

export class Model {
  /** `#states[k]`: after k writes. */
  #states: ModelState[] = [new Map()]
  #confirmed = 0
  /** Behind these writes a batch goes on: a log that ends with one of them is half a batch. */
  #inside = new Set<number>()
  readonly #covered = new Map<number, number>()

  get latest(): ModelState {
    return this.#states.at(-1) ?? new Map()
  }

  get(group: number): ModelGroup | undefined {
    const found = this.latest.get(group)
    return found && 'replica' in found ? found : undefined
  }

  /** As it is now, to be held against what a crash at this moment leaves. */
  copy(): Model {
    const copy = new Model()
    copy.#states = this.#states.slice()
    copy.#confirmed = this.#confirmed
    copy.#inside = new Set(this.#inside)
    for (const [group, index] of this.#covered) copy.#covered.set(group, index)
    return copy
  }

  /** Returns the number of the write, to be confirmed with. `inside`: the next one is of the same batch. */
  append(write: WalWrite, inside = false): number {
    const next = new Map(this.latest)
    next.set(write.group, applied(this.get(write.group), write))
    this.#states.push(next)
    const k = this.#states.length - 1
    if (inside) this.#inside.add(k)
    return k
  }

  confirm(k: number): void {
    assert(k === this.#confirmed + 1, `write ${k} was confirmed after ${this.#confirmed}`)
    this.#confirmed = k
  }

  /** Entries up to here may be gone after the next open. */
  release(group: number, index: number): void {
    this.#covered.set(group, Math.max(index, this.#covered.get(group) ?? 0))
  }

  /** Finds the k that the opened log stands for and goes on from there; says what is wrong if there is none. */
  adopt(wal: Wal): void {
    const problems: string[] = []
    for (let k = this.#states.length - 1; k >= this.#confirmed; k--) {
      if (this.#inside.has(k)) continue
      const state = this.#states[k] ?? new Map()
      const problem = this.#difference(wal, state)
      if (problem === undefined) {
        this.#states = [state]
        this.#confirmed = 0
        this.#inside.clear()
        return
      }
      problems.push(`after ${k} writes: ${problem}`)
    }
    assert(false, `the log is none that was written and not lost:\n${problems.join('\n')}`)
  }

  #difference(wal: Wal, state: ModelState): string | undefined {
    for (const log of wal.groups()) if (!state.has(log.group)) return `group ${log.group} is unknown`
    for (const [group, expected] of state) {
      const problem =
        'removed' in expected ? tombstoneDifference(wal, group, expected.removed) : this.#same(wal, group, expected)
      if (problem !== undefined) return `group ${group}: ${problem}`
    }
    return undefined
  }

  #same(wal: Wal, group: number, expected: ModelGroup): string | undefined {
    const log = wal.group(group)
    if (!log) return 'is missing'
    if (log.replica !== expected.replica) return `has replica ${log.replica}, not ${expected.replica}`
    if (JSON.stringify(log.hard) !== JSON.stringify(expected.hard)) return `has hard state ${JSON.stringify(log.hard)}`
    const baseMax = Math.max(expected.base.index, this.#covered.get(group) ?? 0)
    if (log.base.index < expected.base.index || log.base.index > baseMax) return `has base ${log.base.index}`
    const kept = expected.entries.filter((entry) => entry.index > log.base.index)
    const found = readAll(log)
    if (line(found) !== line(kept)) return `has entries ${line(found)}, not ${line(kept)}`
    if (log.lastIndex() !== (kept.at(-1)?.index ?? log.base.index)) return `ends at ${log.lastIndex()}`
    const terms = kept.map((entry) => log.term(entry.index))
    return terms.join() === kept.map((entry) => entry.term).join() ? undefined : `has terms ${terms.join()}`
  }
}

function applied(old: ModelGroup | undefined, write: WalWrite): ModelGroup | { readonly removed: number } {
  if (write.removed) return { removed: write.replica }
  const base = write.snapshot ?? old?.base ?? { index: 0, term: 0 }
  let entries = write.snapshot ? [] : (old?.entries ?? [])
  const first = write.entries?.[0]?.index
  if (write.entries && first !== undefined) entries = [...entries.filter((one) => one.index < first), ...write.entries]
  return { replica: write.replica, base, entries, hard: write.hard ?? old?.hard }
}

function tombstoneDifference(wal: Wal, group: number, replica: number): string | undefined {
  if (wal.group(group)) return 'was removed and is there'
  return wal.tombstone(group) === replica ? undefined : `has tombstone ${wal.tombstone(group)}`
}

function line(entries: readonly Entry[]): string {
  return entries
    .map(({ index, term, type, data }) => `${index}.${term}${type[0]}${Buffer.from(data).toString()}`)
    .join(' ')
}
