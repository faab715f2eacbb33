/**
 * The disk of one node: the simulated one, whose operations take virtual time, part of it before they take effect
 * (writes: at once) and part after, so that a crash may come between an effect and its confirmation.
 */
import type { Disk, DiskFile, OpenMode } from '../../src/storage/disk.ts'
import type { Random } from '../raft/simulation/random.ts'
import { type DiskOperation, type Fault, SimulatedDisk } from '../storage/simulated-disk.ts'
import type { VirtualTime } from '../virtual-env.ts'
import type { SimEnv } from './sim-env.ts'
import type { DiskSwarm } from './swarm.ts'

interface Armed {
  readonly operation: DiskOperation
  readonly fault: Fault
}

/** Once the faults are over, an operation takes so long at most. */
const CALM_MS = 2

export class SimDisk {
  /** Its operations take place when their time comes: at once. */
  readonly inner = new SimulatedDisk((run) => run())
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #swarm: DiskSwarm
  #armed: Armed[] = []
  #stuckUntilMs = 0
  #struck = false
  #calm = false

  constructor(time: VirtualTime, random: Random, swarm: DiskSwarm) {
    this.#time = time
    this.#random = random
    this.#swarm = swarm
    this.inner.fault = (operation) => this.#strike(operation)
  }

  /** A fault struck since the last boot, or the disk is full: the process may fail for it. */
  get struck(): boolean {
    return this.#struck || this.inner.capacity !== Number.POSITIVE_INFINITY
  }

  /** The next such operation fails so. */
  arm(operation: DiskOperation, fault: Fault): void {
    this.#armed.push({ operation, fault })
  }

  stick(ms: number): void {
    this.#stuckUntilMs = Math.max(this.#stuckUntilMs, this.#time.nowMs + ms)
  }

  /** All room but a little is taken. */
  fill(bytesLeft: number): void {
    this.inner.capacity = this.inner.used() + bytesLeft
    this.#struck = true
  }

  makeRoom(): void {
    // What failed for want of room may be told later.
    this.#struck ||= this.inner.capacity !== Number.POSITIVE_INFINITY
    this.inner.capacity = Number.POSITIVE_INFINITY
  }

  heal(): void {
    this.#calm = true
    this.#armed = []
    this.#stuckUntilMs = 0
    this.makeRoom()
  }

  powerCut(): void {
    this.inner.crash(() => this.#random.next())
    this.#struck = false
  }

  kill(): void {
    this.inner.kill()
    this.#struck = false
  }

  /** As the process of `env` sees it. */
  boot(env: SimEnv): Disk {
    const disk = this.inner.boot()
    const slow = <T>(operation: DiskOperation, run: () => Promise<T>): Promise<T> => this.#slow(env, operation, run)
    return {
      open: (path, mode) => this.#open(env, disk, path, mode),
      list: (dir) => slow('list', () => disk.list(dir)),
      makeDir: (dir) => slow('makeDir', () => disk.makeDir(dir)),
      rename: (from, to) => slow('rename', () => disk.rename(from, to)),
      remove: (path) => slow('remove', () => disk.remove(path)),
      syncDir: (dir) => slow('syncDir', () => disk.syncDir(dir)),
      freeBytes: (dir) => slow('freeBytes', () => disk.freeBytes(dir)),
    }
  }

  async #open(env: SimEnv, disk: Disk, path: string, mode: OpenMode): Promise<DiskFile> {
    const file = await this.#slow(env, 'open', () => disk.open(path, mode))
    return {
      // Into the page cache, at once; what the process hears of it takes its time.
      writev: (buffers, position, done) =>
        file.writev(buffers, position, (error, written) => this.#later(env, 'writev', () => done(error, written))),
      datasync: (done) =>
        this.#later(env, 'datasync', () => file.datasync((error) => this.#later(env, 'datasync', () => done(error)))),
      sync: () => this.#slow(env, 'sync', () => file.sync()),
      readSync: (target, position) => file.readSync(target, position),
      size: () => this.#slow(env, 'size', () => file.size()),
      truncate: (bytes) => this.#slow(env, 'truncate', () => file.truncate(bytes)),
      close: () => file.close(),
    }
  }

  #slow<T>(env: SimEnv, operation: DiskOperation, run: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#later(env, operation, () => {
        run().then(
          (value) => this.#later(env, operation, () => resolve(value)),
          (error: unknown) => this.#later(env, operation, () => reject(error)),
        )
      })
    })
  }

  /** Half of an operation's time. The disk works on while the process stands still; what it says waits. */
  #later(env: SimEnv, operation: DiskOperation, run: () => void): void {
    const { writeMs, syncMs } = this.#swarm
    const usual = operation === 'datasync' || operation === 'sync' || operation === 'syncDir' ? syncMs : writeMs
    const mean = this.#calm ? Math.min(usual, CALM_MS) : usual
    const stuckMs = Math.max(0, this.#stuckUntilMs - this.#time.nowMs)
    env.after(stuckMs + this.#random.next() * mean, run)
  }

  #strike(operation: DiskOperation): Fault | undefined {
    const at = this.#armed.findIndex((armed) => armed.operation === operation)
    if (at < 0) return undefined
    this.#struck = true
    return this.#armed.splice(at, 1)[0]?.fault
  }
}
