/**
 * The files of a node as the storage rooms see them: few operations, every one of which can fail, so that a test can
 * put a disk underneath that crashes, tears, fills up or hangs. Nothing written is durable before a sync of the file,
 * and no created, renamed or removed name before a sync of its directory.
 */
import {
  close,
  constants,
  fdatasync,
  fstat,
  fsync,
  ftruncate,
  mkdir,
  open,
  readdir,
  readSync,
  rename,
  statfs,
  unlink,
  writev,
} from 'node:fs'
import { promisify } from 'node:util'
import { openFile } from './regular-file.ts'

/** create: must not exist yet. write: must exist. Both may also read. What is there and no file is refused. */
export type OpenMode = 'create' | 'write' | 'read'

/** Errors carry Node's `code` (ENOSPC, EIO, ...) where the system gave one. */
export interface DiskFile {
  /** One gathering write at `position`. A short write is no error: look at `written`. The buffers must not change. */
  writev(buffers: readonly Uint8Array[], position: number, done: (error: Error | null, written: number) => void): void
  /** fdatasync: contents, and the size as far as reading them back needs it. */
  datasync(done: (error: Error | null) => void): void
  /** fsync: contents and all metadata. */
  sync(): Promise<void>
  /** Blocks. Fills `target` from `position`; fewer bytes only at the end of the file. Throws on an error. */
  readSync(target: Uint8Array, position: number): number
  size(): Promise<number>
  truncate(bytes: number): Promise<void>
  close(): Promise<void>
}

export interface Disk {
  open(path: string, mode: OpenMode): Promise<DiskFile>
  /** Names in `dir`, in no order. */
  list(dir: string): Promise<readonly string[]>
  /** Creates `dir` and its parents; fine if it exists. */
  makeDir(dir: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Makes names created, renamed or removed in `dir` durable. */
  syncDir(dir: string): Promise<void>
  /** Bytes that an unprivileged process may still write where `dir` lies. */
  freeBytes(dir: string): Promise<number>
}

const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = constants
const FLAGS: Readonly<Record<OpenMode, number>> = { create: O_RDWR | O_CREAT | O_EXCL, write: O_RDWR, read: O_RDONLY }

const openAsync = promisify(open)
const closeAsync = promisify(close)
const fsyncAsync = promisify(fsync)
const fstatAsync = promisify(fstat)
const ftruncateAsync = promisify(ftruncate)
const readdirAsync = promisify(readdir)
const mkdirAsync = promisify(mkdir)
const renameAsync = promisify(rename)
const unlinkAsync = promisify(unlink)
const statfsAsync = promisify(statfs)

/** The real file system. */
export const nodeDisk: Disk = {
  async open(path, mode) {
    return new NodeFile(await openFile(path, FLAGS[mode]))
  },
  list(dir) {
    return readdirAsync(dir)
  },
  async makeDir(dir) {
    await mkdirAsync(dir, { recursive: true })
  },
  rename(from, to) {
    return renameAsync(from, to)
  },
  remove(path) {
    return unlinkAsync(path)
  },
  async syncDir(dir) {
    const fd = await openAsync(dir, 'r')
    try {
      await fsyncAsync(fd)
    } finally {
      await closeAsync(fd)
    }
  },
  async freeBytes(dir) {
    const { bavail, bsize } = await statfsAsync(dir)
    return bavail * bsize
  },
}

class NodeFile implements DiskFile {
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  writev(buffers: readonly Uint8Array[], position: number, done: (error: Error | null, written: number) => void): void {
    writev(this.#fd, buffers, position, (error, written) => done(error, written ?? 0))
  }

  datasync(done: (error: Error | null) => void): void {
    fdatasync(this.#fd, done)
  }

  sync(): Promise<void> {
    return fsyncAsync(this.#fd)
  }

  readSync(target: Uint8Array, position: number): number {
    let filled = 0
    while (filled < target.byteLength) {
      const read = readSync(this.#fd, target, filled, target.byteLength - filled, position + filled)
      if (read === 0) break
      filled += read
    }
    return filled
  }

  async size(): Promise<number> {
    return (await fstatAsync(this.#fd)).size
  }

  truncate(bytes: number): Promise<void> {
    return ftruncateAsync(this.#fd, bytes)
  }

  close(): Promise<void> {
    return closeAsync(this.#fd)
  }
}
