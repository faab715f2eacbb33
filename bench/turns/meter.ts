/**
 * Loaded into a node by `--import`: writes down every stretch in which its event loop was busy for long, one JSON line
 * each, into a file in the folder that BENCH_TURNS names. On a shared machine a turn also waits for a processor: what it
 * took itself is at most what passed, what the whole process used, and what the scheduler has booked for its thread, which
 * lags behind by up to a scheduler's tick.
 */
import { appendFileSync, openSync, readSync } from 'node:fs'
import { Server } from 'node:net'
import { join } from 'node:path'
import { Collections } from './collections.ts'

export interface LongTurn {
  /** Since 1970, ms: when it ended. */
  readonly atMs: number
  readonly wallMs: number
  /** Of the thread that runs the event loop, at most. */
  readonly cpuMs: number
  /** Of these, what the garbage collector held the thread for. */
  readonly gcMs: number
  /** Somebody could already wait: the process had a socket that listens when the turn began. */
  readonly listening: boolean
}

/** Between two looks; what is shorter than this is not told apart. */
const LOOK_MS = 1
const LONG_MS = 4
const SCHEDULER_TICK_MS = 4
const NS_PER_MS = 1e6
const US_PER_MS = 1e3

const folder = process.env.BENCH_TURNS
if (folder !== undefined) watch(join(folder, String(process.pid)))

function watch(to: string): void {
  const collections = new Collections()
  const listening = listens()
  const spent = spends()
  let before = { ...spent(), listening: false }
  const look = () => {
    const now = { ...spent(), listening: listening() }
    const wallMs = now.wall - before.wall
    if (wallMs >= LONG_MS) {
      const cpuMs = Math.min(wallMs, now.used - before.used, now.booked - before.booked + SCHEDULER_TICK_MS)
      const turn = { atMs: Date.now(), wallMs, cpuMs, listening: before.listening }
      collections.during(before.wall, now.wall, (gcMs) => {
        const line: LongTurn = { ...turn, gcMs: Math.min(cpuMs, gcMs) }
        appendFileSync(to, `${JSON.stringify(line)}\n`)
      })
    }
    before = now
    setTimeout(look, LOOK_MS).unref()
  }
  setTimeout(look, LOOK_MS).unref()
}

/** Milliseconds until now: by the clock, of the thread as booked, of the process. */
function spends(): () => { wall: number; booked: number; used: number } {
  // "time on a processor, time waiting for one, slices", of the process's first thread.
  const stat = openSync('/proc/self/schedstat', 'r')
  const bytes = Buffer.alloc(64)
  return () => {
    const booked = Number.parseInt(bytes.toString('latin1', 0, readSync(stat, bytes, 0, 64, 0)), 10) / NS_PER_MS
    const { user, system } = process.cpuUsage()
    return { wall: performance.now(), booked, used: (user + system) / US_PER_MS }
  }
}

/** Whether any server of the process has begun to listen. */
function listens(): () => boolean {
  let begun = false
  const { listen } = Server.prototype
  Server.prototype.listen = function (this: Server, ...args: Parameters<Server['listen']>) {
    begun = true
    return listen.apply(this, args)
  } as Server['listen']
  return () => begun
}
