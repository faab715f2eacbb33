// A line on stderr that says how far a long command is; only where somebody watches.
import type { Surroundings } from './context.ts'

const EVERY_MS = 500

export class Progress {
  readonly #stderr: Surroundings['stderr']
  readonly #timer: NodeJS.Timeout | undefined

  constructor(stderr: Surroundings['stderr'], text: () => string) {
    this.#stderr = stderr
    if (stderr.isTTY !== true) return
    this.#timer = setInterval(() => stderr.write(`\r\u001b[K${text()}`), EVERY_MS)
    this.#timer.unref()
  }

  end(): void {
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#stderr.write('\r\u001b[K')
  }
}
