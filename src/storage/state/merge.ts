/**
 * Several layers as one: for every key the newest layer that knows it wins, tombstones included.
 * Sources are ordered from the newest to the oldest and do not change while they are read.
 */
import type { Value } from './tree.ts'

export interface Source {
  /** undefined at the end. */
  readonly key: string | undefined
  /** null is a tombstone. */
  readonly value: Value
  advance(): void
}

export class MergedSource implements Source {
  readonly #sources: readonly Source[]
  readonly #reverse: boolean
  key: string | undefined = undefined
  value: Value = null

  constructor(sources: readonly Source[], reverse: boolean) {
    this.#sources = sources
    this.#reverse = reverse
    this.#settle()
  }

  advance(): void {
    for (const source of this.#sources) if (source.key === this.key) source.advance()
    this.#settle()
  }

  #settle(): void {
    let best: Source | undefined
    for (const source of this.#sources) {
      if (source.key === undefined) continue
      if (best?.key === undefined || isBefore(source.key, best.key, this.#reverse)) best = source
    }
    this.key = best?.key
    this.value = best?.value ?? null
  }
}

export function isBefore(key: string, other: string, reverse: boolean): boolean {
  return reverse ? key > other : key < other
}

/** Rows copied out of a layer that goes on changing. Keys and values are shared, neither is ever changed in place. */
export class CopiedRows implements Source {
  readonly #keys: string[] = []
  readonly #values: Value[] = []
  #at = 0

  get rows(): number {
    return this.#keys.length
  }

  add(key: string, value: Value): void {
    this.#keys.push(key)
    this.#values.push(value)
  }

  get key(): string | undefined {
    return this.#keys[this.#at]
  }

  get value(): Value {
    return this.#values[this.#at] ?? null
  }

  advance(): void {
    this.#at++
  }
}
