/** Runs sandctl in this process against a server in memory, with streams of the test's own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { runSandctl } from '../../src/cli/sandctl/run.ts'
import { type MemoryServer, startMemoryServer } from '../client/memory-server.ts'

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

/** One server and one temporary folder for a file's tests, a topic of three partitions for each test. */
export class Surroundings {
  readonly folder = mkdtempSync(join(tmpdir(), 'sandctl-test-'))
  topic = ''
  #server: MemoryServer | undefined
  #tests = 0

  constructor() {
    beforeAll(async () => {
      this.#server = await startMemoryServer()
    })
    beforeEach(async () => {
      this.topic = `t${++this.#tests}`
      this.server.refuse = undefined
      this.server.leaderless = []
      this.server.missing = []
      await this.run('topics', 'create', this.topic, '--num_partitions', '3', '--replication-factor=1')
    })
    afterAll(() => {
      this.server.close()
      rmSync(this.folder, { recursive: true })
    })
  }

  get server(): MemoryServer {
    if (this.#server === undefined) throw new Error('the server has not started')
    return this.#server
  }

  start(args: readonly string[], input = ''): ReturnType<typeof startSandctl> {
    return startSandctl(this.server.addr, args, input)
  }

  run(...args: string[]): Promise<Ran> {
    return this.start(args).ended
  }
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
