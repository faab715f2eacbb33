/** One real node in a process of its own: started through bin/sandglass, watched through its ready line and its exit. */
import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { within } from './deadline.ts'
import { projectFolder } from './project-folder.ts'

export interface ReadyLine {
  readonly event: 'ready'
  readonly name: string
  readonly grpc: string
  readonly http: string
  readonly raft: string
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface NodeOptions {
  readonly name: string
  /** After `bin/sandglass`. */
  readonly args: readonly string[]
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** Runs the node through these words, e.g. a wrapper. */
  readonly wrapper?: readonly string[]
}

const ROOT = projectFolder(import.meta.dirname)
const READY_MS = 30_000
const LOG_LINES_KEPT = 400

export class NodeProcess {
  readonly name: string
  readonly #options: NodeOptions
  #child: ChildProcess | undefined
  #ready: Promise<ReadyLine> = Promise.reject(new Error('never started'))
  #exit: Promise<Exit> = Promise.resolve({ code: null, signal: null })
  readonly #log: string[] = []

  constructor(options: NodeOptions) {
    this.name = options.name
    this.#options = options
    this.#ready.catch(() => 'asked for in ready()')
  }

  get pid(): number {
    const pid = this.#child?.pid
    if (pid === undefined) throw new Error(`${this.name} does not run`)
    return pid
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Starts the process; `extra` arguments and environment hold for this run only. */
  start(extra: { args?: readonly string[]; env?: Readonly<Record<string, string>> } = {}): void {
    if (this.running) throw new Error(`${this.name} runs already`)
    const words = [
      ...(this.#options.wrapper ?? []),
      resolve(ROOT, 'bin/sandglass'),
      ...this.#options.args,
      ...(extra.args ?? []),
    ]
    const [command = '', ...args] = words
    const child = spawn(command, args, {
      cwd: this.#options.cwd,
      env: { ...inherited(), ...this.#options.env, ...extra.env },
      // The ipc channel tells the node when this process is gone, however it ended.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#child = child
    this.#exit = new Promise((done, failed) => {
      child.once('error', failed)
      child.once('exit', (code, signal) => done({ code, signal }))
    })
    this.#ready = new Promise((done, failed) => {
      lines(child.stdout, (line) => {
        const parsed: unknown = JSON.parse(line)
        if (isReady(parsed)) done(parsed)
      })
      this.#exit.then(
        (exit) => failed(new Error(`${this.name} ended before it was ready: ${JSON.stringify(exit)}\n${this.log()}`)),
        failed,
      )
    })
    this.#ready.catch(() => 'asked for in ready()')
    lines(child.stderr, (line) => {
      this.#log.push(line)
      if (this.#log.length > LOG_LINES_KEPT) this.#log.shift()
      const file = process.env.SANDGLASS_TEST_LOGS
      if (file !== undefined) appendFileSync(file, `${this.name} ${line}\n`)
    })
  }

  /** As when this process is gone: the node loses the channel to it. */
  leave(): void {
    this.#child?.disconnect()
  }

  ready(ms: number = READY_MS): Promise<ReadyLine> {
    return within(`${this.name} ready`, ms, this.#ready).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.log()}`)
    })
  }

  exited(ms: number = READY_MS): Promise<Exit> {
    return within(`${this.name} exit`, ms, this.#exit)
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal)
  }

  /** SIGKILL, and waits until the process is gone. */
  async kill(): Promise<void> {
    if (!this.running) return
    this.signal('SIGKILL')
    await this.exited()
  }

  /** The last lines of its stderr. */
  log(): string {
    return this.#log.join('\n')
  }

  /** How many of them are about `event`, over all lives of the node. */
  said(event: string): number {
    return this.#log.filter((line) => line.includes(`"event":"${event}"`)).length
  }
}

function lines(input: Readable | null, each: (line: string) => void): void {
  if (input !== null) createInterface({ input }).on('line', each)
}

/** The environment without what configures nodes, and would do so to all of them. */
export function inherited(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SANDGLASS_')))
}

function isReady(value: unknown): value is ReadyLine {
  return typeof value === 'object' && value !== null && 'event' in value && value.event === 'ready'
}
