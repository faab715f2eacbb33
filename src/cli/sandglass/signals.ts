/**
 * SIGTERM and SIGINT from the first moment of the process: what comes while the program is still being loaded is kept
 * for the command that runs. A second signal ends the process at once with 130.
 */
const SIGNALS = ['SIGTERM', 'SIGINT'] as const
type Signal = (typeof SIGNALS)[number]

const EXIT_SECOND_SIGNAL = 130

export class StopSignals {
  #came: Signal | undefined
  #stop: ((signal: Signal) => void) | undefined
  readonly #listeners = SIGNALS.map((signal) => ({ signal, listener: () => this.#signalled(signal) }))

  /** Takes the signals from now on. */
  constructor() {
    for (const { signal, listener } of this.#listeners) process.on(signal, listener)
  }

  /** The command ends in good order when `stop` is called, once; at once if a signal has come already. */
  handle(stop: (signal: Signal) => void): void {
    this.#stop = stop
    if (this.#came !== undefined) stop(this.#came)
  }

  /** Unless a command handles them, signals do what the system does with them. */
  release(): void {
    if (this.#stop !== undefined) return
    for (const { signal, listener } of this.#listeners) process.off(signal, listener)
    if (this.#came !== undefined) process.kill(process.pid, this.#came)
  }

  #signalled(signal: Signal): void {
    if (this.#came !== undefined) process.exit(EXIT_SECOND_SIGNAL)
    this.#came = signal
    this.#stop?.(signal)
  }
}
