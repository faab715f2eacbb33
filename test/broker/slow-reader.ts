/** The rows of a MapStore as a store on a disk gives them outside apply: later, or damaged, and never at once. */
import { SandglassError } from '../../src/base/errors.ts'
import type { Reader } from '../../src/views/view.ts'
import type { MapStore } from '../views/timer/map-store.ts'

export class SlowReader implements Reader {
  readonly #store: MapStore
  /** Keys whose rows cannot be read. */
  readonly damaged = new Set<string>()
  /** How many rows each read by keys asked for. */
  readonly asked: number[] = []
  readonly scans: string[] = []
  counts = 0
  #held: (() => void)[] | undefined

  constructor(store: MapStore) {
    this.#store = store
  }

  /** As while the database is being reopened. */
  hold(): void {
    this.#held ??= []
  }

  get held(): number {
    return this.#held?.length ?? 0
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const go of held) go()
  }

  async scan(...[range, limit, options]: Parameters<Reader['scan']>): ReturnType<Reader['scan']> {
    this.scans.push(range.gte)
    await this.#open()
    const rows = await this.#store.scan(range, limit, options)
    if (rows.some(({ key }) => this.damaged.has(key))) throw damage()
    return rows
  }

  async getMany(...[keys, options]: Parameters<Reader['getMany']>): ReturnType<Reader['getMany']> {
    this.asked.push(keys.length)
    await this.#open()
    const rows = await this.#store.getMany(keys, options)
    return rows.map((row, i) => (this.damaged.has(keys[i] ?? '') ? damage() : row))
  }

  async count(...[range, limit]: Parameters<Reader['count']>): Promise<number> {
    this.counts += 1
    await this.#open()
    return this.#store.count(range, limit)
  }

  #open(): Promise<void> | undefined {
    return this.#held === undefined ? undefined : new Promise((resolve) => this.#held?.push(resolve))
  }
}

function damage(): SandglassError {
  return new SandglassError('INTERNAL', 'Cannot read state: row 6d is damaged')
}
