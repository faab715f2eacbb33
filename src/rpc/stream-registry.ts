/** The open streams of this server, so that a drain can end them. */
import { SandglassError } from '../base/errors.ts'

export interface OpenStream {
  /** Tells the client and closes. */
  end(error: SandglassError): void
}

export class StreamRegistry {
  readonly #streams = new Set<OpenStream>()
  #draining = false

  add(stream: OpenStream): void {
    if (this.#draining) stream.end(shuttingDown())
    else this.#streams.add(stream)
  }

  delete(stream: OpenStream): void {
    this.#streams.delete(stream)
  }

  /** Ends all with SHUTTING_DOWN, and every one that comes after. */
  drain(): void {
    this.#draining = true
    for (const stream of [...this.#streams]) stream.end(shuttingDown())
    this.#streams.clear()
  }
}

function shuttingDown(): SandglassError {
  return new SandglassError('SHUTTING_DOWN', 'Cannot go on: this node is shutting down')
}
