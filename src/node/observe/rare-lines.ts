/**
 * Log lines that another node can provoke: one for each kind and node now and then, with how many were left out since, so
 * that whoever can speak to the peer port cannot fill a disk with them.
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
  /** Bounded: by the nodes of the cluster. */
  readonly #written = new Map<string, Written>()

  constructor(env: Env, log: Log) {
    this.#env = env
    this.#log = log
  }

  warn(event: string, peer: NodeId, fields: Readonly<Record<string, string>>): void {
    const key = `${event} ${peer}`
    const nowMs = this.#env.monoMs()
    const last = this.#written.get(key)
    if (last !== undefined && nowMs - last.atMs < EVERY_MS) {
      last.leftOut++
      return
    }
    this.#written.set(key, { atMs: nowMs, leftOut: 0 })
    this.#log.warn(event, { peer, ...fields, leftOut: last?.leftOut ?? 0 })
  }
}
