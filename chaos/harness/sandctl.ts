/** Runs bin/sandctl as a user would and tells what it printed and how it ended. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { within } from './deadline.ts'
import { projectFolder } from './project-folder.ts'

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly pid: number
  /** What it printed so far. */
  stdout(): string
  /** One more line of its standard input, if that was left open. */
  write(line: string): void
  endInput(): void
  readonly ended: Promise<Ran>
  kill(signal: NodeJS.Signals): void
}

const ENDS_MS = 60_000

/** Starts it; `input` goes to its standard input, which ends there unless it is to stay open. */
export function startSandctl(
  args: readonly string[],
  { input = '', open = false }: { readonly input?: string; readonly open?: boolean } = {},
): Running {
  const child = spawn(join(projectFolder(import.meta.dirname), 'bin/sandctl'), args, {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  if (!open) child.stdin.end(input)
  const ended = new Promise<Ran>((done, failed) => {
    child.once('error', failed)
    child.once('close', (code) => {
      done({ code, stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8') })
    })
  })
  return {
    ...{ pid: child.pid ?? 0, ended, kill: (signal) => void child.kill(signal) },
    stdout: () => Buffer.concat(out).toString('utf8'),
    write: (line) => void child.stdin.write(`${line}\n`),
    endInput: () => void child.stdin.end(),
  }
}

/** Runs it to its end. */
export function sandctl(args: readonly string[], options: { input?: string; ms?: number } = {}): Promise<Ran> {
  return within(`sandctl ${args.join(' ')}`, options.ms ?? ENDS_MS, startSandctl(args, options).ended)
}

/** Its standard output as JSON lines; rejects when it did not exit with 0. */
export async function sandctlLines(
  args: readonly string[],
  options: { ms?: number } = {},
): Promise<Record<string, unknown>[]> {
  const ran = await sandctl(args, options)
  if (ran.code !== 0) throw new Error(`sandctl ${args.join(' ')}: exit ${ran.code}\n${ran.stderr}`)
  return ran.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
