/**
 * A power cut after SIGKILL: power-cut.c keeps an undo journal of a process's data folder, this undoes, newest first, what
 * no sync covered. Names are undone as a journaling file system loses them: all that came after the last sync that made
 * names durable, in order.
 */
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { projectFolder } from '../../chaos/harness/project-folder.ts'

/** What a cut took away. */
export interface Cut {
  /** Written and not synced: bytes of contents. */
  readonly bytes: number
  /** Created, renamed or removed, and not synced. */
  readonly names: number
}

interface Entry {
  readonly kind: number
  readonly position: number
  readonly inode: number
  readonly offset: number
  readonly size: number
  readonly payload: Buffer
}

const WRITE = 1
const SYNC = 2
const CREATE = 3
const RENAME = 4
const UNLINK = 5
const MAGIC = 0x50434a31
const HEAD_BYTES = 40

/** Builds the library into `folder` and tells its path. */
export function buildShim(folder: string): string {
  const library = join(folder, 'power-cut.so')
  const source = join(projectFolder(import.meta.dirname), 'test/system/power-cut.c')
  const args = ['-Wall', '-Wextra', '-Werror', '-O2', '-shared', '-fPIC', '-o', library, source, '-ldl', '-lpthread']
  const built = spawnSync('gcc', args, { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(`Cannot build the shim: ${built.error?.message ?? built.stderr}`)
  return library
}

/** Environment of a process whose changes in `data` shall be cut; `journal` is emptied, on the same file system. */
export function underShim(library: string, data: string, journal: string): Record<string, string> {
  rmSync(journal, { recursive: true, force: true })
  mkdirSync(journal, { recursive: true })
  return { LD_PRELOAD: library, POWER_CUT_DATA: data, POWER_CUT_JOURNAL: journal }
}

/** Takes everything from `data` that was not synced; the process must have been killed. */
export function cutPower(data: string, journal: string): Cut {
  const entries = readJournal(join(journal, 'journal'))
  const synced = coverage(entries)
  const paths = new Map([...inodes(journal), ...inodes(data)])
  let bytes = 0
  let names = 0
  for (const entry of entries.reverse()) {
    if (entry.kind === WRITE) {
      if (entry.position >= (synced.contents.get(entry.inode) ?? 0)) bytes += undoWrite(entry, paths.get(entry.inode))
    } else if (entry.kind !== SYNC && entry.position >= synced.names) {
      undoName(entry, journal, paths)
      names += 1
    }
  }
  return { bytes, names }
}

/** A record that the kill cut short stands for a change that never began. */
function readJournal(path: string): Entry[] {
  const bytes = readFileSync(path)
  const entries: Entry[] = []
  for (let at = 0; at + HEAD_BYTES <= bytes.byteLength; ) {
    if (bytes.readUInt32LE(at) !== MAGIC) throw new Error(`no record at ${at} of ${path}`)
    const [inode, offset, size, length] = [8, 16, 24, 32].map((field) => Number(bytes.readBigUInt64LE(at + field)))
    if (inode === undefined || offset === undefined || size === undefined || length === undefined) break
    const end = at + HEAD_BYTES + length
    if (end > bytes.byteLength) break
    const payload = bytes.subarray(at + HEAD_BYTES, end)
    entries.push({ kind: bytes.readUInt32LE(at + 4), position: at, inode, offset, size, payload })
    at = end
  }
  return entries
}

/** Up to which position of the journal contents (by inode) and names are durable. */
function coverage(entries: readonly Entry[]): { contents: ReadonlyMap<number, number>; names: number } {
  const contents = new Map<number, number>()
  /** Position of the newest change of the inode's name. */
  const named = new Map<number, number>()
  let names = 0
  for (const { kind, inode, offset, size, position } of entries) {
    if (kind === CREATE || kind === RENAME) named.set(inode, position)
    if (kind !== SYNC) continue
    contents.set(inode, Math.max(offset, contents.get(inode) ?? 0))
    // A folder's sync makes names durable, and a file's if its own name is new.
    const name = named.get(inode) ?? Number.POSITIVE_INFINITY
    if (size === 1 || (name >= names && name < offset)) names = Math.max(names, offset)
  }
  return { contents, names }
}

function inodes(folder: string): [number, string][] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => {
    const path = join(folder, name)
    return [statSync(path).ino, path]
  })
}

/** Bytes it took away. */
function undoWrite({ inode, offset, size, payload }: Entry, path: string | undefined): number {
  if (path === undefined) throw new Error(`no file with inode ${inode}`)
  const file = openSync(path, 'r+')
  try {
    const appended = Math.max(0, statSync(path).size - size)
    ftruncateSync(file, size)
    if (payload.byteLength > 0) writeSync(file, payload, 0, payload.byteLength, offset)
    return appended + payload.byteLength
  } finally {
    closeSync(file)
  }
}

function undoName({ kind, position, inode, offset, payload }: Entry, journal: string, paths: Map<number, string>) {
  const [path = '', target = ''] = payload.toString('utf8').split('\0')
  const kept = join(journal, String(position))
  if (kind === CREATE) {
    unlinkSync(path)
  } else if (kind === UNLINK) {
    linkSync(kept, path)
  } else {
    renameSync(target, path)
    paths.set(inode, path)
    if (offset === 1) linkSync(kept, target)
  }
}
