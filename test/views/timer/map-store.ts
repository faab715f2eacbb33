/** A store of rows in a plain map, with the little that a view's tests need of checkpoints: a copy is one. */
import type { Reader, Store } from '../../../src/views/view.ts'

export class MapStore implements Store, Reader {
  readonly rows: Map<string, Uint8Array>

  constructor(rows: Iterable<readonly [string, Uint8Array]> = []) {
    this.rows = new Map(rows)
  }

  copy(): MapStore {
    return new MapStore(this.rows)
  }

  get(key: string): Uint8Array | undefined {
    return this.rows.get(key)
  }

  put(key: string, value: Uint8Array, fresh?: boolean): void {
    if (fresh && this.rows.has(key)) throw new Error('a row said to be fresh exists')
    this.rows.set(key, value)
  }

  delete(key: string): void {
    this.rows.delete(key)
  }

  async scan(
    range: { readonly gte: string; readonly lt: string },
    limit: number,
    options?: { reverse?: boolean; maxBytes?: number },
  ): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]> {
    const keys = [...this.rows.keys()].filter((key) => key >= range.gte && key < range.lt).sort()
    if (options?.reverse) keys.reverse()
    return keys.slice(0, limit).map((key) => ({ key, value: this.rows.get(key) ?? new Uint8Array() }))
  }

  async getMany(
    keys: readonly string[],
    options: { maxBytes?: number; expected?: boolean } = {},
  ): Promise<readonly (Uint8Array | undefined | Error)[]> {
    const found: (Uint8Array | undefined | Error)[] = []
    let bytes = 0
    for (const key of keys) {
      if (found.length > 0 && bytes >= (options.maxBytes ?? Number.POSITIVE_INFINITY)) break
      const row = this.rows.get(key)
      found.push(row === undefined && options.expected ? new Error('a row is missing') : row)
      bytes += row?.length ?? 0
    }
    return found
  }

  async count(range: { readonly gte: string; readonly lt: string }, limit: number): Promise<number> {
    return (await this.scan(range, limit)).length
  }

  /** How many rows begin with `tag`. */
  tagged(tag: string): number {
    return [...this.rows.keys()].filter((key) => key.startsWith(tag)).length
  }

  /** Everything, in order, to be compared. */
  dump(): readonly string[] {
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
    return [...this.rows].map(([key, value]) => `${hex(Buffer.from(key, 'latin1'))}=${hex(value)}`).sort()
  }
}
