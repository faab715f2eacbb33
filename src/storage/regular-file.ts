/**
 * What must be a file is one. A pipe in its place would hold a thread of the pool for ever, and with it the end of the
 * process; a device has no end; a folder fails late.
 */
import { close, constants, fstat, open, type Stats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const openAsync = promisify(open)
const fstatAsync = promisify(fstat)
const closeAsync = promisify(close)

/** Absent where nothing else has a path either. */
const { O_NONBLOCK = 0 } = constants

/**
 * A descriptor of the file at `path`; `flags` of node:fs constants. Nothing is waited for. Rejects with the system's error,
 * and as it does with EISDIR or ENOTFILE for what is no file.
 */
export async function openFile(path: string, flags: number): Promise<number> {
  const descriptor = await openAsync(path, flags | O_NONBLOCK)
  try {
    refuseOther(path, await fstatAsync(descriptor))
    return descriptor
  } catch (error) {
    await closeAsync(descriptor)
    throw error
  }
}

/** Rejects as `openFile` with the first entry of `dir`, those of `except` left out, that is no file. A missing folder has none. */
export async function refuseOthersIn(dir: string, except: readonly string[] = []): Promise<void> {
  const names = (await readdir(dir).catch(ifMissing)) ?? []
  for (const name of names) {
    if (except.includes(name)) continue
    const path = join(dir, name)
    const about = await stat(path).catch(ifMissing)
    if (about !== undefined) refuseOther(path, about)
  }
}

function refuseOther(path: string, about: Stats): void {
  if (about.isFile()) return
  if (about.isDirectory()) throw refusal(path, 'EISDIR', 'it is a folder, not a file')
  const what = about.isFIFO() ? 'pipe' : about.isSocket() ? 'socket' : 'device'
  throw refusal(path, 'ENOTFILE', `it is a ${what}, not a file`)
}

/** In the form of the system's own errors. */
function refusal(path: string, code: string, why: string): Error {
  return Object.assign(new Error(why), { code, path })
}

function ifMissing(error: unknown): undefined {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
}
