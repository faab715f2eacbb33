// What every sandctl command gets: the connection, the output, and word of an interrupt.
import type { Readable, Writable } from 'node:stream'
import { parseHostPort } from '../../base/address.ts'
import { TIMEOUT_MS_MAX } from '../../client/checks.ts'
import { type Core, connectCore } from '../../client/core.ts'
import { UsageError } from './exit.ts'
import { type Format, Output } from './output.ts'
import { durationOf } from './values.ts'

/** The process around a command; tests give their own. */
export interface Surroundings {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable & { readonly isTTY?: boolean }
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Aborted by SIGINT and SIGTERM. */
  readonly interrupt: AbortSignal
}

export interface GlobalOptions {
  readonly addrs?: string | undefined
  readonly timeout: string
  readonly output: string
}

export interface Context {
  readonly surroundings: Surroundings
  readonly output: Output
  readonly timeoutMs: number
  readonly addrs: readonly string[]
}

/** A command, ready to run. Resolves to the exit code. */
export type Command = (context: Context) => Promise<number>

const ADDRS_DEFAULT = '127.0.0.1:7170'
const FORMATS: readonly string[] = ['table', 'json', 'jsonl'] satisfies Format[]

/** Throws UsageError. */
export function contextOf(surroundings: Surroundings, options: GlobalOptions): Context {
  const addrs = (options.addrs ?? surroundings.environment.SANDGLASS_ADDRS ?? ADDRS_DEFAULT)
    .split(',')
    .map((addr) => addr.trim())
    .filter((addr) => addr !== '')
  for (const addr of addrs) {
    if (parseHostPort(addr) === undefined) throw new UsageError(`--addrs ${addr}: not host:port or [IPv6]:port`)
  }
  if (addrs.length === 0) throw new UsageError('--addrs: no address is given')
  if (!isFormat(options.output)) throw new UsageError(`--output is one of ${FORMATS.join(', ')}`)
  return {
    surroundings,
    output: new Output(surroundings.stdout, options.output),
    timeoutMs: durationOf(options.timeout, '--timeout', { min: 1, max: TIMEOUT_MS_MAX }),
    addrs,
  }
}

/** Runs `work` with a connection that is closed after it. */
export async function connected<T>(context: Context, work: (core: Core) => Promise<T>): Promise<T> {
  const core = await connectCore({ addrs: context.addrs, timeoutMs: context.timeoutMs })
  try {
    return await work(core)
  } finally {
    core.transport.close()
  }
}

function isFormat(text: string): text is Format {
  return FORMATS.includes(text)
}
