/** What a directive prints: results and log lines in one text, indented by nesting, silent at level NONE. */
import { LEVELS, type Level } from './trace-text.ts'

export class Output {
  level: Level = 'DEBUG'
  #text = ''

  get quiet(): boolean {
    return this.level === 'NONE'
  }

  write(text: string): void {
    if (!this.quiet) this.#text += text
  }

  line(text: string): void {
    this.write(`${text}\n`)
  }

  log(level: Level, text: string): void {
    if (LEVELS.indexOf(level) >= LEVELS.indexOf(this.level)) this.line(`${level} ${text}`)
  }

  /** Everything that `run` prints, two columns to the right. */
  indented(run: () => void): void {
    const before = this.#text
    this.#text = ''
    run()
    const inner = this.#text.endsWith('\n') ? this.#text.slice(0, -1) : this.#text
    const shifted =
      this.#text === ''
        ? ''
        : inner
            .split('\n')
            .map((line) => `  ${line}\n`)
            .join('')
    this.#text = before + shifted
  }

  /** Takes what was printed; `ok` for nothing. An error is shown whatever the level. */
  take(error?: string): string {
    const text = this.#text + (error ?? '')
    this.#text = ''
    return text === '' ? 'ok' : text
  }
}
