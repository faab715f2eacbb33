/**
 * The segment files of an open log: appending frames to the newest, sealing it and beginning the next, deleting the
 * oldest. One operation at a time. Invariant: `segments` is never empty after the first `rotate`, its last is current.
 */
import { assert } from '../../base/assert.ts'
import type { Env } from '../../base/env.ts'
import type { Disk } from '../disk.ts'
import { type EncodedFrame, encodeFrame } from './encode.ts'
import { HEAD_BYTES, seedFrom } from './frame.ts'
import type { FrameExtras, RecordInput } from './records.ts'
import { createSegment, type Segment } from './segment.ts'
import { SpareSegment } from './spare.ts'
import { datasync, isNoSpace, writeAll } from './write-all.ts'

const SEED_BYTES = 8

export interface SegmentFilesOptions {
  readonly disk: Disk
  readonly dir: string
  readonly env: Env
  readonly segmentBytes: number
  /** false: frames are not synced; only for proving that tests notice. */
  readonly fsync: boolean
  readonly segments: readonly Segment[]
  readonly sequence: number
  readonly nextNumber: number
  readonly floor: number
}

/** A frame that is durable. */
export interface WrittenFrame {
  readonly frame: EncodedFrame
  readonly segment: Segment
  /** Where entry data begins in the file. */
  readonly payloadPosition: number
  readonly writeMs: number
  readonly fsyncMs: number
}

export class SegmentFiles {
  readonly #options: SegmentFilesOptions
  readonly #segments: Segment[]
  readonly #spare: SpareSegment
  #sequence: number
  #nextNumber: number
  #floor: number
  /** Their names are gone, perhaps not durably. */
  readonly #deleted = new WeakSet<Segment>()

  constructor(options: SegmentFilesOptions) {
    this.#options = options
    this.#segments = [...options.segments]
    this.#spare = new SpareSegment(options.disk, options.dir, options.segmentBytes)
    this.#sequence = options.sequence
    this.#nextNumber = options.nextNumber
    this.#floor = options.floor
  }

  /** Oldest first; the last one is written to. */
  get segments(): readonly Segment[] {
    return this.#segments
  }

  /** Number of the oldest; that of the next one as long as there is none. */
  get oldest(): number {
    return this.#segments[0]?.number ?? this.#nextNumber
  }

  get needsRotation(): boolean {
    const current = this.#segments.at(-1)
    return !current || current.sealed || current.end >= this.#options.segmentBytes
  }

  /** Appends a batch and makes it durable. If there is no room the file is cut back and nothing has happened. */
  async write(inputs: readonly RecordInput[], extras: FrameExtras = {}): Promise<WrittenFrame> {
    const { env, fsync } = this.#options
    const segment = this.#segments.at(-1)
    assert(segment && !segment.sealed, 'batches go to an open segment')
    const { seed, number, chain, end, file } = segment
    const sequence = this.#sequence
    const frame = encodeFrame({ kind: 'batch', chain, seed, segment: number, sequence }, inputs, extras)
    const begun = env.monoMs()
    try {
      await writeAll(file, frame.buffers, end)
    } catch (error) {
      if (isNoSpace(error)) await this.#cutBack(segment)
      throw error
    }
    const taken = env.monoMs()
    if (fsync) await datasync(file)
    segment.end += frame.bytes
    segment.chain = frame.headCrc
    segment.batches++
    this.#sequence++
    this.#spare.prepareAfter(segment)
    const payloadPosition = end + HEAD_BYTES + frame.table.byteLength
    return { frame, segment, payloadPosition, writeMs: taken - begun, fsyncMs: env.monoMs() - taken }
  }

  /** Durably: a shorter batch may come next, and what it left of this one would look like ruins of a later batch. */
  async #cutBack({ file, end }: Segment): Promise<void> {
    await file.truncate(end)
    if (this.#options.fsync) await datasync(file)
  }

  /** Seals the current segment and begins the next, whose header repeats `states`. May be tried again after no room. */
  async rotate(states: readonly RecordInput[]): Promise<void> {
    const { disk, dir, env } = this.#options
    const current = this.#segments.at(-1)
    if (current && !current.sealed) {
      await this.write([], { footer: current.footer() })
      current.sealed = true
    }
    const init = {
      number: this.#nextNumber,
      seed: seedFrom(env.randomBytes(SEED_BYTES)),
      sequence: this.#sequence,
      previous: current?.footer(),
      floor: this.#floor,
      states,
    }
    this.#segments.push(await createSegment(disk, dir, init, this.#spare.take()))
    this.#nextNumber++
  }

  /** Takes the oldest segment out of the list, once a durable batch has raised the floor above it. */
  detachOldest(segment: Segment): void {
    assert(this.#segments.length > 1 && this.#segments[0] === segment, 'segments are deleted oldest first')
    this.#segments.shift()
    this.#floor = segment.number + 1
  }

  /** Deletes a detached segment for good; may be tried again when the sync failed; one after the other, since a hole between segments means damage. */
  async delete(segment: Segment): Promise<void> {
    const { disk, dir } = this.#options
    if (!this.#deleted.has(segment)) {
      await segment.file.close()
      await disk.remove(segment.path)
      this.#deleted.add(segment)
    }
    await disk.syncDir(dir)
  }

  async close(): Promise<void> {
    await this.#spare.close()
    for (const segment of this.#segments) await segment.file.close()
  }
}
