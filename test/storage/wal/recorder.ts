/**
 * A log at work on a simulated disk, and the moments at which its machine could die: before every operation that changes
 * or syncs something. Each moment keeps what the disk held and what had been promised by then.
 */
import type { HardState } from '../../../src/base/log-entry.ts'
import type { Disk } from '../../../src/storage/disk.ts'
import type { WalOptions } from '../../../src/storage/wal/open.ts'
import type { LogPosition, Wal, WalWrite } from '../../../src/storage/wal/types.ts'
import type { DiskImage } from '../disk-image.ts'
import { settle } from '../manual-env.ts'
import { SimulatedDisk, seededRandom } from '../simulated-disk.ts'
import { type OpenLog, openLog } from './harness.ts'
import { Model } from './model.ts'

export interface Moment {
  /** The operation that did not happen any more. */
  readonly before: string
  readonly image: DiskImage
  readonly model: Model
  readonly promises: Promises
}

/** What was confirmed, group by group, beside what the model says of whole writes. */
export class Promises {
  /** By replica. */
  readonly #hard = new Map<number, HardState>()
  readonly #applied = new Map<number, LogPosition>()

  copy(): Promises {
    const copy = new Promises()
    for (const [group, hard] of this.#hard) copy.#hard.set(group, hard)
    for (const [group, position] of this.#applied) copy.#applied.set(group, position)
    return copy
  }

  /** The write is durable: its hard state holds, and what it commits may be applied. */
  confirm({ group, replica, hard, snapshot }: WalWrite, wal: Wal): void {
    if (hard) this.#hard.set(replica, hard)
    const log = wal.group(group)
    if (log?.replica !== replica) return
    const index = Math.min(log.lastIndex(), Math.max(hard?.commit ?? 0, snapshot?.index ?? 0))
    const term = log.term(index)
    if (term !== undefined && index > (this.#applied.get(replica)?.index ?? 0)) {
      this.#applied.set(replica, { index, term })
    }
  }

  /** What of it the opened log does not keep. */
  broken(wal: Wal): string | undefined {
    for (const log of wal.groups()) {
      const was = this.#hard.get(log.replica)
      if (was && (!log.hard || goesBack(was, log.hard))) {
        return `group ${log.group}: hard state ${JSON.stringify(log.hard)} after ${JSON.stringify(was)}`
      }
      const applied = this.#applied.get(log.replica)
      if (!applied) continue
      const { index, term } = applied
      if (log.lastIndex() < index) return `group ${log.group}: applied ${index}, the log ends at ${log.lastIndex()}`
      if (index >= log.base.index && log.term(index) !== term) return `group ${log.group}: applied ${index} is another`
    }
    return undefined
  }
}

function goesBack(was: HardState, is: HardState): boolean {
  if (is.term !== was.term) return is.term < was.term
  return (was.vote !== 0 && is.vote !== was.vote) || is.commit < was.commit
}

export class Recorder {
  readonly disk = new SimulatedDisk()
  readonly moments: Moment[] = []
  readonly #options: Partial<WalOptions>
  readonly #door: (disk: Disk) => Disk
  #model = new Model()
  readonly #promises = new Promises()
  #log: OpenLog | undefined
  #seed = 1

  /** `door`: the disk as the log sees it. */
  constructor(options: Partial<WalOptions>, door: (disk: Disk) => Disk) {
    this.#options = options
    this.#door = door
    this.disk.before = (operation, path) => this.#note(`${operation} ${path.slice(path.lastIndexOf('/') + 1)}`)
  }

  get wal(): Wal {
    if (!this.#log) throw new Error('the log is not open')
    return this.#log.wal
  }

  async open(): Promise<void> {
    this.#log = await openLog(this.#door(this.disk.boot()), this.#options, ++this.#seed)
    this.#model.adopt(this.wal)
  }

  /** One turn's appends, which are one batch, and turns of the event loop for it. */
  async append(turns: number, ...writes: readonly WalWrite[]): Promise<void> {
    const { wal } = this
    for (const [i, write] of writes.entries()) {
      const k = this.#model.append(write, i < writes.length - 1)
      wal.append(write, () => {
        this.#model.confirm(k)
        this.#promises.confirm(write, wal)
      })
    }
    await settle(turns)
  }

  async release(group: number, index: number, keepFrom = index + 1): Promise<void> {
    const term = this.wal.group(group)?.term(index)
    if (term === undefined) throw new Error(`group ${group} has no entry ${index}`)
    this.#model.release(group, index)
    this.wal.release(group, { index, term }, keepFrom)
    await settle(12)
  }

  async advance(ms: number, turns = 12): Promise<void> {
    this.#log?.env.advance(ms)
    await settle(turns)
  }

  /** The power goes and comes back. */
  async powerCut(seed: number): Promise<void> {
    this.disk.crash(seededRandom(seed))
    await this.open()
  }

  /** The process dies; what it wrote stays where it is. */
  async kill(): Promise<void> {
    this.disk.kill()
    await this.open()
  }

  async close(): Promise<void> {
    await this.wal.close()
    this.#note('nothing')
  }

  #note(before: string): void {
    const { disk } = this
    const { image, model, promises } = {
      image: disk.image(),
      model: this.#model.copy(),
      promises: this.#promises.copy(),
    }
    this.moments.push({ before, image, model, promises })
  }
}
