/**
 * The next segment, prepared in the background as a file full of zeros: overwriting allocated blocks halves what an
 * fdatasync costs, since no metadata has to follow. Purely an optimization: whatever goes wrong here, the segment is
 * created without it.
 */
import type { Disk, DiskFile } from '../disk.ts'
import { type Segment, SPARE_NAME } from './segment.ts'
import { discard, writeAll } from './write-all.ts'

const PIECE_BYTES = 256 * 1024
/** Free space, in segments, below which zeros are not worth writing. */
const ROOM_SEGMENTS = 8

export class SpareSegment {
  readonly #disk: Disk
  readonly #dir: string
  readonly #bytes: number
  #triedFor = 0
  #preparing: Promise<void> | undefined
  #ready: DiskFile | undefined
  #closing = false

  constructor(disk: Disk, dir: string, bytes: number) {
    this.#disk = disk
    this.#dir = dir
    this.#bytes = bytes
  }

  /** Called after every batch: begins once per segment, when half of it is used. */
  prepareAfter({ number, end }: Segment): void {
    if (end * 2 < this.#bytes || this.#triedFor === number || this.#preparing || this.#ready || this.#closing) return
    this.#triedFor = number
    this.#preparing = this.#prepare().finally(() => {
      this.#preparing = undefined
    })
  }

  /** The prepared file, which is the caller's now; undefined if there is none (yet). */
  take(): DiskFile | undefined {
    const file = this.#ready
    this.#ready = undefined
    return file
  }

  async close(): Promise<void> {
    this.#closing = true
    await this.#preparing
    const file = this.take()
    if (file) await discard(this.#disk, file, `${this.#dir}/${SPARE_NAME}`)
  }

  async #prepare(): Promise<void> {
    const path = `${this.#dir}/${SPARE_NAME}`
    let file: DiskFile | undefined
    try {
      if ((await this.#disk.freeBytes(this.#dir)) < this.#bytes * ROOM_SEGMENTS) return
      file = await this.#disk.open(path, 'create')
      const zeros = new Uint8Array(Math.min(PIECE_BYTES, this.#bytes))
      for (let at = 0; at < this.#bytes && !this.#closing; at += zeros.byteLength) await writeAll(file, [zeros], at)
      await file.sync()
      this.#ready = file
    } catch {
      // Nothing was promised: the batches find out for themselves what the disk is up to.
      // What could not be removed last time goes now, or no segment would ever be prepared again.
      await discard(this.#disk, file, path)
    }
  }
}
