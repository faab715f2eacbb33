/**
 * Books of a fault test. Callers produce messages with ids of their own and note how each ended; afterwards everything
 * stored is read back: acknowledged ones are there exactly once, unknown ones at most once, refused ones not at all.
 */
import { type SandglassClient, SandglassError } from '../../src/client/index.ts'
import { eventually } from './deadline.ts'
import { sandctlLines } from './sandctl.ts'

export interface LedgerOptions {
  readonly client: SandglassClient
  readonly topic: string
  readonly callers: number
  /** All messages to this partition; default: all of the topic's. */
  readonly partition?: number
  /** Each message is padded to this many bytes. */
  readonly valueBytes?: number
  /** Pause of a caller between two messages, ms; default none. */
  readonly pauseMs?: number
}

export interface Summary {
  readonly acked: number
  readonly unknown: number
  readonly refused: number
  readonly lost: number
  readonly stored: number
  /** Ids stored more than once, or stored though refused. */
  readonly wrong: readonly string[]
}

const REFUSED_PAUSE_MS = 50

export class Ledger {
  readonly acked = new Set<string>()
  readonly unknown = new Set<string>()
  readonly refused = new Set<string>()
  /** performance.now() of every acknowledgement. */
  readonly ackTimes: number[] = []
  readonly #options: LedgerOptions
  #running = true
  readonly #callers: Promise<unknown>

  constructor(options: LedgerOptions) {
    this.#options = options
    this.#callers = Promise.all(Array.from({ length: options.callers }, (_, i) => this.#call(i)))
    // Asked for in stop().
    this.#callers.catch(() => 'see stop()')
  }

  /** Waits until `count` more messages are acknowledged. */
  more(count: number, ms = 15_000): Promise<unknown> {
    const goal = this.acked.size + count
    return eventually(`${count} more acknowledged`, ms, () => this.acked.size >= goal)
  }

  /** Ends the callers; each waits for its last answer. */
  async stop(): Promise<void> {
    this.#running = false
    await this.#callers
  }

  /** Longest time without an acknowledgement since `from` (performance.now()), ms. */
  longestGap(from: number): number {
    const times = [from, ...this.ackTimes.filter((time) => time >= from)]
    return times.slice(1).reduce((longest, time, i) => Math.max(longest, time - (times[i] ?? time)), 0)
  }

  /** Reads everything back through `addrs` with a fresh group. */
  async settle(addrs: readonly string[], group = 'books'): Promise<Summary> {
    const { topic } = this.#options
    const args = ['-s', addrs.join(','), '--timeout', '60s', '-o', 'jsonl', 'consume', topic, '--group', group]
    const offsets = new Map<string, Set<string>>()
    for (const { value, offset } of await sandctlLines(args, { ms: 120_000 })) {
      const id = String(value).trimEnd()
      const known = offsets.get(id) ?? new Set()
      offsets.set(id, known.add(String(offset)))
    }
    const wrong = [...offsets].filter(([id, found]) => found.size > 1 || this.refused.has(id)).map(([id]) => id)
    const lost = [...this.acked].filter((id) => !offsets.has(id)).length
    const { acked, unknown, refused } = this
    return { acked: acked.size, unknown: unknown.size, refused: refused.size, lost, stored: offsets.size, wrong }
  }

  async #call(caller: number): Promise<void> {
    const { client, topic, partition, pauseMs, valueBytes = 0 } = this.#options
    const producer = client.producer()
    for (let n = 0; this.#running; n += 1) {
      const id = `${caller}-${n}`
      try {
        await producer.produce(topic, {
          value: id.padEnd(valueBytes),
          ...(partition === undefined ? {} : { partition }),
        })
        this.acked.add(id)
        this.ackTimes.push(performance.now())
      } catch (error) {
        if (!(error instanceof SandglassError)) throw error
        const set = error.outcome === 'unknown' ? this.unknown : this.refused
        set.add(id)
        await new Promise((resolve) => setTimeout(resolve, REFUSED_PAUSE_MS))
      }
      if (pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
    await producer.close()
  }
}
