/**
 * Log lines that come again and again, since another node provokes them or what is damaged stays so: one for each kind and
 * origin now and then, with how many were left out since, so that nobody fills a disk with them.
 */
import type { Env } from '../../base/env.ts'
import type { NodeId } from '../../base/ids.ts'
import type { Log } from './log.ts'

const EVERY_MS = 10_000

interface Written {
  readonly atMs: number
  leftOut: number
}

export class RareLines {
  readonly #env: Env
  readonly #log: Log
  /** Bounded: by the nodes of the cluster, and its partitions. */
  readonly #written = new Map<string, Written>()

  constructor(env: Env, log: Log) {
    this.#env = env
    this.#log = log
  }

  warn(event: string, peer: NodeId, fields: Readonly<Record<string, string>>): void {
    this.#write('warn', event, `${peer}`, { peer, ...fields })
  }

  /** `of`: where it comes from. */
  error(event: string, of: string, fields: Readonly<Record<string, unknown>>): void {
    this.#write('error', event, of, fields)
  }

  #write(level: 'warn' | 'error', event: string, of: string, fields: Readonly<Record<string, unknown>>): void {
    const key = `${event} ${of}`
    const nowMs = this.#env.monoMs()
    const last = this.#written.get(key)
    if (last !== undefined && nowMs - last.atMs < EVERY_MS) {
      last.leftOut++
      return
    }
    this.#written.set(key, { atMs: nowMs, leftOut: 0 })
    this.#log[level](event, { ...fields, leftOut: last?.leftOut ?? 0 })
  }
}
