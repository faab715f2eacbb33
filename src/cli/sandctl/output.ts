// Data to stdout: collected and written in large pieces, with pauses while the reader is behind. A closed stdout ends
// the program quietly, as it does for any filter.
import type { Writable } from 'node:stream'

export type Format = 'table' | 'json' | 'jsonl'
type Cell = string | number | boolean | null | undefined

const PIECE_BYTES = 64 * 1024
const BEHIND_BYTES = 4 * 1024 * 1024

export class Output {
  readonly #stream: Writable
  readonly format: Format
  #chunks: Buffer[] = []
  #written: (() => void)[] = []
  #bytes = 0
  /** Given to the stream, which has not taken it yet. */
  #behind = 0
  #scheduled = false
  #resume: (() => void)[] = []
  /** Aborted when nobody reads stdout any more. */
  readonly closed: AbortSignal

  constructor(stream: Writable, format: Format) {
    this.#stream = stream
    this.format = format
    const controller = new AbortController()
    this.closed = controller.signal
    stream.on('error', (error: NodeJS.ErrnoException) => {
      controller.abort(error)
      for (const resume of this.#resume.splice(0)) resume()
    })
  }

  /** Queues bytes; `written` is called once the stream took them, and never if it is closed. */
  write(bytes: Buffer, written?: () => void): void {
    this.#chunks.push(bytes)
    this.#bytes += bytes.length
    if (written !== undefined) this.#written.push(written)
    if (this.#bytes >= PIECE_BYTES) this.#flush()
    else if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(() => this.#flush())
    }
  }

  text(text: string): void {
    this.write(Buffer.from(`${text}\n`))
  }

  /** One JSON document on one line. */
  json(value: unknown): void {
    this.text(JSON.stringify(value))
  }

  /** Rows under a head, in columns as wide as their widest cell. */
  table(head: readonly string[], rows: readonly (readonly Cell[])[]): void {
    const texts = [head, ...rows.map((row) => row.map((cell) => String(cell ?? '-')))]
    const widths = head.map((_, column) => Math.max(...texts.map((row) => (row[column] ?? '').length)))
    for (const row of texts)
      this.text(
        row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd(),
      )
  }

  /** Resolves when the reader has caught up enough for more; at once if it is gone. */
  async ready(): Promise<void> {
    if (this.#behind + this.#bytes < BEHIND_BYTES || this.closed.aborted) return
    await new Promise<void>((resolve) => this.#resume.push(resolve))
  }

  /** Resolves when everything is written, or nobody reads. */
  async end(): Promise<void> {
    this.#flush()
    if (this.#behind === 0 || this.closed.aborted) return
    await new Promise<void>((resolve) => {
      this.closed.addEventListener('abort', () => resolve(), { once: true })
      this.#stream.write('', () => resolve())
    })
  }

  #flush(): void {
    this.#scheduled = false
    if (this.#chunks.length === 0 || this.closed.aborted) return
    const piece = Buffer.concat(this.#chunks)
    const written = this.#written
    this.#chunks = []
    this.#written = []
    this.#bytes = 0
    this.#behind += piece.length
    this.#stream.write(piece, (error) => {
      this.#behind -= piece.length
      if (!error) for (const done of written) done()
      for (const resume of this.#resume.splice(0)) resume()
    })
  }
}
