/** A store and reader over a map, for views that keep rows. */
import type { ApplyContext, Reader, Store } from '../../../src/views/view.ts'

export class MemoryStore implements Store, Reader {
  readonly rows = new Map<string, Uint8Array>()

  get(key: string): Uint8Array | undefined {
    return this.rows.get(key)
  }

  put(key: string, value: Uint8Array): void {
    this.rows.set(key, value)
  }

  delete(key: string): void {
    this.rows.delete(key)
  }

  async scan(
    range: { readonly gte: string; readonly lt: string },
    limit: number,
  ): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]> {
    const keys = [...this.rows.keys()].filter((k) => k >= range.gte && k < range.lt).sort()
    return keys.slice(0, limit).map((key) => ({ key, value: this.rows.get(key) ?? new Uint8Array(0) }))
  }

  async getMany(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    return keys.map((key) => this.rows.get(key))
  }

  async count(range: { readonly gte: string; readonly lt: string }, limit: number): Promise<number> {
    return (await this.scan(range, limit)).length
  }

  context(index: number): ApplyContext {
    return { at: index, index, store: this }
  }
}
