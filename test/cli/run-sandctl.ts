/** Runs sandctl in this process against a server, with streams of the test's own. */
import { Readable, Writable } from 'node:stream'
import { runSandctl } from '../../src/cli/sandctl/run.ts'

export class Sink extends Writable {
  text = ''
  readonly #seen: (() => void)[] = []
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    for (const seen of this.#seen.splice(0)) seen()
    done()
  }
  /** Resolves once `text` has come. */
  async shows(text: string): Promise<void> {
    while (!this.text.includes(text)) await new Promise<void>((resolve) => this.#seen.push(resolve))
  }
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export function startSandctl(
  addr: string,
  args: readonly string[],
  input = '',
): { ended: Promise<Ran>; stdout: Sink; interrupt(): void } {
  const stdout = new Sink()
  const stderr = new Sink()
  const interrupt = new AbortController()
  const surroundings = {
    stdin: Readable.from([input]),
    stdout,
    stderr,
    environment: { SANDGLASS_ADDRS: addr },
    interrupt: interrupt.signal,
  }
  const ended = runSandctl(args, surroundings).then((code) => ({ code, stdout: stdout.text, stderr: stderr.text }))
  return { ended, stdout, interrupt: () => interrupt.abort() }
}

/** Standard output as JSON lines. */
export function lines(ran: Ran): Record<string, unknown>[] {
  return ran.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

/** The one error on standard error. */
export function errorOf(ran: Ran): { reason: string; message: string; field?: string } {
  return JSON.parse(ran.stderr).error
}
