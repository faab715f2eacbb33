/**
 * Notices a disk that does not answer: a write or sync that is still on its way after many looks. Looks are counted, not
 * milliseconds: a process that was itself stopped for a while must not blame its disk.
 */
import type { Env, Timer } from '../../base/env.ts'

const LOOK_MS = 250
/** About two seconds: far beyond a slow sync, well below what clients wait. */
const LOOKS_MAX = 8

export class Watchdog {
  readonly #env: Env
  readonly #onChange: () => void
  #busy = false
  #looks = 0
  #timer: Timer | undefined
  #stopped = false

  /** `onChange`: `stuck` is another now. */
  constructor(env: Env, onChange: () => void) {
    this.#env = env
    this.#onChange = onChange
  }

  /** True until what hangs has ended, one way or the other. */
  get stuck(): boolean {
    return this.#looks >= LOOKS_MAX
  }

  /** Something is on its way to the disk. */
  begin(): void {
    this.#busy = true
    if (this.#timer === undefined) this.#arm()
  }

  end(): void {
    this.#busy = false
    const was = this.stuck
    this.#looks = 0
    if (was) this.#onChange()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #arm(): void {
    if (this.#stopped) return
    this.#timer = this.#env.after(LOOK_MS, () => {
      this.#timer = undefined
      if (!this.#busy) return
      this.#looks++
      if (this.#looks === LOOKS_MAX) this.#onChange()
      this.#arm()
    })
  }
}
