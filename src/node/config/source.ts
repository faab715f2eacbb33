/** The text of a configuration, from a file, a pipe or a URL: bounded in size and in time, and nothing else is waited for. */
import { close, constants, fstat, open, read, type Stats } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

/** Settings take a few hundred. */
const SOURCE_BYTES_MAX = 64 * 1024
const WITHIN_MS = 10_000
/** Between two looks at a pipe that has nothing yet. */
const LOOK_MS = 10

const openAsync = promisify(open)
const fstatAsync = promisify(fstat)
const readAsync = promisify(read)
const closeAsync = promisify(close)

/** `source`: a path or an http(s) URL; the latter and a pipe end `withinMs`. Rejects with what is wrong with it. */
export async function readSource(source: string, withinMs = WITHIN_MS): Promise<string> {
  if (isUrl(source)) return readUrl(source, withinMs)
  // A pipe that nobody writes to would hold a thread, and with it the end of the process, for ever.
  const descriptor = await openAsync(source, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const about = await fstatAsync(descriptor)
    refuseOther(about)
    return textOf([await readSome(descriptor, { isPipe: about.isFIFO(), withinMs })])
  } finally {
    await closeAsync(descriptor)
  }
}

/** As it may be shown: neither user, password nor query of a URL, which may be secrets. */
export function shownSource(source: string): string {
  if (!isUrl(source) || !URL.canParse(source)) return source
  const { protocol, host, pathname } = new URL(source)
  return `${protocol}//${host}${pathname}`
}

function isUrl(source: string): boolean {
  return /^https?:\/\//.test(source)
}

function refuseOther(about: Stats): void {
  if (about.isFile() || about.isFIFO()) return
  throw new Error(about.isDirectory() ? 'it is a folder' : 'it is neither a file nor a pipe')
}

interface Reading {
  readonly isPipe: boolean
  readonly withinMs: number
}

/** To its end, not by its size: what /proc holds has none. A pipe seems to be at its end until somebody writes to it. */
async function readSome(descriptor: number, { isPipe, withinMs }: Reading): Promise<Buffer> {
  const bytes = Buffer.alloc(SOURCE_BYTES_MAX + 1)
  const late = performance.now() + withinMs
  let length = 0
  while (length < bytes.length) {
    const read = await readAsync(descriptor, bytes, length, bytes.length - length, null).catch(ifNothingYet)
    const unwritten = isPipe && length === 0
    if (read?.bytesRead === 0 && !unwritten) break
    length += read?.bytesRead ?? 0
    if (performance.now() > late) throw new Error(`nobody ${unwritten ? 'writes to' : 'ends'} it within ${withinMs} ms`)
    if (read === undefined || read.bytesRead === 0) await pause(LOOK_MS)
  }
  return bytes.subarray(0, length)
}

/** Of a shell's `<(command)`, say, whose command still runs. */
function ifNothingYet(error: unknown): undefined {
  if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
}

async function readUrl(source: string, withinMs: number): Promise<string> {
  const url = new URL(source)
  if (url.username !== '' || url.password !== '') throw new Error('user and password in a URL are not supported')
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(withinMs), redirect: 'error' })
    if (!response.ok) throw new Error(`HTTP ${response.status}`)
    return await collect(response.body ?? [])
  } catch (error) {
    throw reasonOf(error, withinMs)
  }
}

/** fetch says "fetch failed", and why as a cause. */
function reasonOf(error: unknown, withinMs: number): Error {
  if (!(error instanceof Error)) return new Error(String(error))
  if (error.name === 'TimeoutError') return new Error(`no whole answer within ${withinMs} ms`)
  return error.cause instanceof Error ? error.cause : error
}

async function collect(from: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of from) {
    chunks.push(chunk)
    bytes += chunk.byteLength
    if (bytes > SOURCE_BYTES_MAX) break
  }
  return textOf(chunks)
}

function textOf(chunks: readonly Uint8Array[]): string {
  const bytes = Buffer.concat(chunks)
  if (bytes.length > SOURCE_BYTES_MAX) throw new Error(`it is longer than ${SOURCE_BYTES_MAX} bytes`)
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}
