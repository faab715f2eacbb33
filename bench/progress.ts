/** A line on stderr now and then, so that long work is seen to go on; the figures themselves go to stdout. */
const EVERY_MS = 5000

export class Progress {
  readonly #started = performance.now()
  readonly #describe: () => string
  readonly #timer: NodeJS.Timeout

  /** Writes what `describe` says every five seconds. */
  constructor(describe: () => string) {
    this.#describe = describe
    this.#timer = setInterval(() => this.#write(), EVERY_MS)
    this.#timer.unref()
  }

  /** Writes the last line. */
  end(): void {
    clearInterval(this.#timer)
    this.#write()
  }

  #write(): void {
    const seconds = Math.round((performance.now() - this.#started) / 1000)
    process.stderr.write(`${String(seconds).padStart(5)} s  ${this.#describe()}\n`)
  }
}
