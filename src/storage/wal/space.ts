/**
 * Watches the room on the disk. A watermark says "full" while there still is some, so that proposals stop first; a
 * reserve file is given up when a write really fails, so that a checkpoint can make room.
 */
import type { Env, Timer } from '../../base/env.ts'
import type { Disk, DiskFile } from '../disk.ts'
import { discard, writeAll } from './write-all.ts'

const POLL_MS = 1000
export const RESERVE_NAME = 'reserve'
const PIECE_BYTES = 1024 * 1024
/** The watermark, in reserves: what is left for batches already on their way when proposals stop. */
const WATERMARK_RESERVES = 2

export interface SpaceOptions {
  readonly disk: Disk
  readonly dir: string
  readonly env: Env
  /** 0: neither reserve nor watermark. */
  readonly reserveBytes: number
  /** `low` changed. */
  readonly onChange: () => void
}

export class Space {
  readonly #options: SpaceOptions
  readonly #path: string
  readonly #watermark: number
  #low = false
  #held = false
  #stopped = false
  #timer: Timer | undefined
  /** Polls and the giving up of the reserve run one after the other. */
  #queue: Promise<void> = Promise.resolve()

  constructor(options: SpaceOptions) {
    this.#options = options
    this.#path = `${options.dir}/${RESERVE_NAME}`
    this.#watermark = options.reserveBytes * WATERMARK_RESERVES
  }

  /** True from the moment free space fell below the watermark, or a write failed, until there is clearly room again. */
  get low(): boolean {
    return this.#low
  }

  /** `names`: what lies in the directory. */
  async start(names: readonly string[]): Promise<void> {
    if (names.includes(RESERVE_NAME)) await this.#adoptReserve()
    this.#enqueue(() => this.#poll())
    this.#arm()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#queue
  }

  /** A write failed for want of room: gives up the reserve. */
  exhausted(): void {
    this.#setLow(true)
    this.#enqueue(async () => {
      if (!this.#held) return
      // It is held until it is gone: a removal that fails is tried again with the next write that fails.
      await this.#options.disk.remove(this.#path)
      this.#held = false
      await this.#options.disk.syncDir(this.#options.dir)
    })
  }

  #arm(): void {
    if (this.#stopped) return
    this.#timer = this.#options.env.after(POLL_MS, () => {
      this.#enqueue(() => this.#poll())
      this.#arm()
    })
  }

  #enqueue(job: () => Promise<void>): void {
    this.#queue = this.#queue.then(job).catch(() => {
      // Only judgement of free space fails here, and the next poll judges anew; the batches' own writes tell the truth.
    })
  }

  async #poll(): Promise<void> {
    const { disk, dir, reserveBytes } = this.#options
    if (this.#stopped) return
    const free = await disk.freeBytes(dir)
    this.#setLow(free < this.#watermark + (this.#low ? reserveBytes : 0))
    if (!this.#held && reserveBytes > 0 && free >= this.#watermark + 2 * reserveBytes) await this.#createReserve()
  }

  /** A reserve left by an earlier run, unless it is only part of one. */
  async #adoptReserve(): Promise<void> {
    const { disk, reserveBytes } = this.#options
    const file = await disk.open(this.#path, 'read')
    this.#held = (await file.size()) === reserveBytes && reserveBytes > 0
    await file.close()
    if (!this.#held) await disk.remove(this.#path)
  }

  async #createReserve(): Promise<void> {
    const { disk, dir, reserveBytes } = this.#options
    let file: DiskFile | undefined
    try {
      file = await disk.open(this.#path, 'create')
      const zeros = new Uint8Array(Math.min(PIECE_BYTES, reserveBytes))
      for (let at = 0; at < reserveBytes; at += zeros.byteLength) {
        if (this.#stopped) throw new Error('Cannot create the reserve: the log closes')
        await writeAll(file, [zeros], at)
      }
      await file.sync()
      await file.close()
      await disk.syncDir(dir)
      this.#held = true
    } catch (error) {
      // Also what lay there already: half a reserve that could not be removed would keep every later one from being made.
      await discard(disk, file, this.#path)
      throw error
    }
  }

  #setLow(low: boolean): void {
    if (this.#low === low) return
    this.#low = low
    this.#options.onChange()
  }
}
