/**
 * Prometheus' text format 0.0.4, written in slices of the event loop: however many topics and groups there are, a scrape
 * holds nobody up. Made of chunks, so that it is never one string of all.
 */

import type { Env } from '../../../base/env.ts'
import type { Histogram } from '../../../base/histogram.ts'
import { Slice } from '../../../base/slice.ts'

export type Labels = Readonly<Record<string, string>>

export interface Sample {
  readonly labels: Labels
  readonly value: number
  /** Of the metric's name: `_sum`, ... */
  readonly suffix?: string
}

export interface Family {
  /** Without the prefix. */
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
}

const CHUNK_CHARS = 64 * 1024

export class Exposition {
  readonly #common: Labels
  readonly #slice: Slice
  readonly #chunks: string[] = []
  #chunk = ''

  /** `common`: labels of every sample. */
  constructor(env: Env, common: Labels) {
    this.#common = common
    this.#slice = new Slice(env)
  }

  async family({ name, type, help }: Family, samples: Iterable<Sample>): Promise<void> {
    const full = `sandglass_${name}`
    this.#write(`# HELP ${full} ${help}\n# TYPE ${full} ${type}\n`)
    for (const { labels, value, suffix = '' } of samples) {
      this.#write(`${full}${suffix}${this.#braced(labels)} ${numeral(value)}\n`)
      if (this.#slice.spent()) await this.#slice.rest()
    }
  }

  /** What is in the format already. */
  text(text: string): void {
    this.#write(text)
  }

  chunks(): readonly string[] {
    if (this.#chunk !== '') this.#chunks.push(this.#chunk)
    this.#chunk = ''
    return this.#chunks
  }

  #write(text: string): void {
    this.#chunk += text
    if (this.#chunk.length < CHUNK_CHARS) return
    this.#chunks.push(this.#chunk)
    this.#chunk = ''
  }

  #braced(labels: Labels): string {
    let text = ''
    for (const name in labels) text += `${name}="${escaped(labels[name] ?? '')}",`
    for (const name in this.#common) text += `${name}="${escaped(this.#common[name] ?? '')}",`
    return text === '' ? '' : `{${text.slice(0, -1)}}`
  }
}

/** Buckets are cumulative, and the last one holds everything. */
export function* histogramSamples(labels: Labels, { bounds, counts, sum }: Histogram): Iterable<Sample> {
  let below = 0
  for (const [i, count] of counts.entries()) {
    below += count
    const le = i < bounds.length ? String(bounds[i]) : '+Inf'
    yield { suffix: '_bucket', labels: { ...labels, le }, value: below }
  }
  yield { suffix: '_sum', labels, value: sum }
  yield { suffix: '_count', labels, value: below }
}

function escaped(text: string): string {
  return /[\\"\n]/.test(text) ? text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n') : text
}

function numeral(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}
