/**
 * A view as small as one can be: every command appends a text, after a read of the first if it begins with 'look'. It keeps a count in memory and the texts as rows, so that
 * checkpoint, snapshot and replay can each be told from the others.
 */
import { assert } from '../../src/base/assert.ts'
import type { Applied, ApplyContext, FrozenRows, Reader, RowCheck, View } from '../../src/views/view.ts'
import { UnknownCommandError } from '../../src/views/view.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export const text = (value: string) => encoder.encode(value)

export class ListView implements View<string, string> {
  #count = 0
  lastAt = 0
  /** Throws for this text: a bug in apply. */
  poison: string | undefined

  async load(reader: Reader, lastAt: number): Promise<() => void> {
    const [row] = await reader.scan({ gte: 'count', lt: 'counu' }, 1)
    const count = row === undefined ? 0 : Number(decoder.decode(row.value))
    assert(row === undefined || (await this.texts(reader)).length === count, 'the texts are as many as their count')
    return () => {
      this.#count = count
      this.lastAt = lastAt
    }
  }

  rowCheck(): RowCheck {
    return { takes: (key, value) => /^count$|^row\/[0-9]{9}$/.test(key) && decoder.decode(value) !== 'garbage' }
  }

  isCommand(command: Uint8Array): boolean {
    return decoder.decode(command) !== 'garbage'
  }

  apply(command: Uint8Array, { at, index, store }: ApplyContext): Applied<string, string> {
    const value = decoder.decode(command)
    if (value === 'unknown') throw new UnknownCommandError('Cannot apply: unknown')
    if (value === this.poison) throw new Error('a bug')
    if (value.startsWith('look')) store.get('row/000000000')
    if (at < this.lastAt) throw new Error('time went back')
    this.lastAt = at
    store.put(`row/${String(this.#count++).padStart(9, '0')}`, command)
    return { reply: `${index}:${value}`, effects: [value] }
  }

  freeze(): FrozenRows {
    const count = text(String(this.#count))
    return {
      *write(to) {
        to.put('count', count)
        yield
      },
    }
  }

  bytes(): number {
    return 8
  }

  get count(): number {
    return this.#count
  }

  async texts(reader: Reader): Promise<string[]> {
    const rows = await reader.scan({ gte: 'row/', lt: 'row0' }, 1_000_000)
    return rows.map(({ value }) => decoder.decode(value))
  }
}
