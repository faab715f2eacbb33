/**
 * A disk in memory that behaves as badly as a real one may: until a sync, a crash keeps any subset of what was written,
 * tears single writes between (and inside) sectors, and forgets names; operations fail, fall short, or never end.
 */
import type { Disk, DiskFile, OpenMode } from '../../src/storage/disk.ts'
import {
  afterCut,
  applyName,
  copyOf,
  type DiskImage,
  type Inode,
  type NameChange,
  type Spared,
  sparedBy,
  type Unsynced,
  unsynced,
} from './disk-image.ts'
import { SimulatedFile } from './simulated-file.ts'

export type DiskOperation =
  | 'open'
  | 'list'
  | 'makeDir'
  | 'rename'
  | 'remove'
  | 'syncDir'
  | 'freeBytes'
  | 'writev'
  | 'datasync'
  | 'sync'
  | 'read'
  | 'size'
  | 'truncate'

/** error: fails with this code and has no effect. short: takes so many bytes. hang: never ends. */
export type Fault =
  | { readonly type: 'error'; readonly code: string }
  | { readonly type: 'short'; readonly bytes: number }
  | { readonly type: 'hang' }

/** Uniform in [0, 1), repeatable. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export class SimulatedDisk implements Disk {
  /** Bytes the disk holds in all. */
  capacity = Number.POSITIVE_INFINITY
  /** Asked before every operation; what it returns happens instead. */
  fault: (operation: DiskOperation, path: string) => Fault | undefined = () => undefined
  /** Operations that change something or sync; the disk stops dead before the one with this number. */
  stopBefore = Number.POSITIVE_INFINITY
  /** Told before every such operation. */
  before: (operation: DiskOperation, path: string) => void = () => undefined
  operations = 0
  syncs = 0
  readonly #later: (run: () => void) => void
  #names = new Map<string, Inode>()
  #durableNames = new Map<string, Inode>()
  #nameChanges: Unsynced<NameChange>[] = []
  #changes = 0
  #epoch = 0

  /** `later` says when an operation takes place. */
  constructor(later: (run: () => void) => void = setImmediate) {
    this.#later = later
  }

  get stopped(): boolean {
    return this.operations >= this.stopBefore
  }

  /** The disk as one process sees it: dead after `kill` or `crash`, whatever that process still tries. */
  boot(): Disk {
    const epoch = this.#epoch
    return {
      open: (path, mode) => this.open(path, mode, epoch),
      list: (dir) => this.list(dir, epoch),
      makeDir: (dir) => this.makeDir(dir, epoch),
      rename: (from, to) => this.rename(from, to, epoch),
      remove: (path) => this.remove(path, epoch),
      syncDir: (dir) => this.syncDir(dir, epoch),
      freeBytes: (dir) => this.freeBytes(dir, epoch),
    }
  }

  open(path: string, mode: OpenMode, epoch = this.#epoch): Promise<DiskFile> {
    return this.#run(epoch, mode === 'create' ? 'open' : 'read', path, () => {
      const known = this.#names.get(path)
      if (mode === 'create' && known) throw failure('EEXIST', path)
      if (mode !== 'create' && !known) throw failure('ENOENT', path)
      const inode = known ?? { data: new Uint8Array(0), durable: new Uint8Array(0), changes: [] }
      if (!known) this.#rename({ type: 'create', path, inode })
      return new SimulatedFile(this, inode, path, epoch)
    })
  }

  list(dir: string, epoch = this.#epoch): Promise<readonly string[]> {
    return this.#run(epoch, 'list', dir, () =>
      this.paths().flatMap((path) => (parent(path) === dir ? [baseName(path)] : [])),
    )
  }

  makeDir(dir: string, epoch = this.#epoch): Promise<void> {
    return this.#run(epoch, 'makeDir', dir, () => undefined)
  }

  rename(from: string, to: string, epoch = this.#epoch): Promise<void> {
    return this.#run(epoch, 'rename', from, () => {
      if (!this.#names.has(from)) throw failure('ENOENT', from)
      this.#rename({ type: 'rename', path: from, to })
    })
  }

  remove(path: string, epoch = this.#epoch): Promise<void> {
    return this.#run(epoch, 'remove', path, () => {
      if (!this.#names.has(path)) throw failure('ENOENT', path)
      this.#rename({ type: 'remove', path })
    })
  }

  syncDir(dir: string, epoch = this.#epoch): Promise<void> {
    return this.#run(epoch, 'syncDir', dir, () => {
      for (const change of this.#nameChanges) {
        if (parent(change.path) === dir) applyName(this.#durableNames, change)
      }
      this.#nameChanges = this.#nameChanges.filter((change) => parent(change.path) !== dir)
    })
  }

  freeBytes(dir: string, epoch = this.#epoch): Promise<number> {
    return this.#run(epoch, 'freeBytes', dir, () => this.capacity - this.used())
  }

  /** Its name now: files are renamed while they are open. */
  pathOf(inode: Inode, opened: string): string {
    for (const [path, one] of this.#names) if (one === inode) return path
    return opened
  }

  used(): number {
    let bytes = 0
    for (const { data } of this.#names.values()) bytes += data.byteLength
    return bytes
  }

  paths(): string[] {
    return [...this.#names.keys()]
  }

  /** What a reader sees now, to look at or to damage in place. */
  contents(path: string): Uint8Array {
    const inode = this.#names.get(path)
    if (!inode) throw failure('ENOENT', path)
    return inode.data
  }

  /** Replaces a file's contents, durably: damage. */
  replace(path: string, data: Uint8Array): void {
    const inode: Inode = { data: data.slice(), durable: data.slice(), changes: [] }
    this.#names.set(path, inode)
    this.#durableNames.set(path, inode)
  }

  /** An independent disk with the same files, all durable. */
  clone(): SimulatedDisk {
    const copy = new SimulatedDisk()
    for (const path of this.paths()) copy.replace(path, this.contents(path))
    return copy
  }

  /** The process dies: its handles go dead, what it wrote stays in the page cache. */
  kill(): void {
    this.#epoch++
    this.stopBefore = Number.POSITIVE_INFINITY
  }

  /** The power goes: of what was not synced, `random` keeps what it likes. */
  crash(random: () => number): void {
    this.cut(sparedBy(random))
  }

  /** The power goes, and takes what is not spared. */
  cut(spared: Spared): void {
    this.kill()
    this.#load(afterCut(this.image(), spared))
  }

  /** What it holds now. */
  image(): DiskImage {
    return copyOf({ names: this.#names, durableNames: this.#durableNames, nameChanges: this.#nameChanges })
  }

  static of(image: DiskImage): SimulatedDisk {
    const disk = new SimulatedDisk()
    disk.#load(copyOf(image))
    disk.#changes = (unsynced(image).at(-1)?.order ?? -1) + 1
    return disk
  }

  #load({ names, durableNames, nameChanges }: DiskImage): void {
    this.#names = new Map(names)
    this.#durableNames = new Map(durableNames)
    this.#nameChanges = [...nameChanges]
  }

  /** For the files of this disk: runs `action` unless a fault, the stop or a crash comes before. */
  perform<T>(
    epoch: number,
    operation: DiskOperation,
    path: string,
    done: (error: Error | null, value: T) => void,
    action: (fault: Fault | undefined) => T,
    none: T,
    failed?: () => void,
  ): void {
    this.#later(() => {
      if (epoch !== this.#epoch || this.#stops(operation, path)) return
      const fault = this.fault(operation, path)
      if (fault?.type === 'hang') return
      if (fault?.type === 'error') {
        failed?.()
        return done(failure(fault.code, path), none)
      }
      let value: T
      try {
        value = action(fault)
      } catch (error) {
        return done(error instanceof Error ? error : failure('EIO', path), none)
      }
      done(null, value)
    })
  }

  #stops(operation: DiskOperation, path: string): boolean {
    const changes = operation !== 'read' && operation !== 'list' && operation !== 'size' && operation !== 'freeBytes'
    if (changes && !this.stopped) {
      this.before(operation, path)
      this.operations++
    }
    return this.stopped
  }

  /** For the files of this disk: what is written now comes after everything before. */
  nextOrder(): number {
    return this.#changes++
  }

  #run<T>(epoch: number, operation: DiskOperation, path: string, action: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const finish = (error: Error | null, value: T | undefined) => {
        if (error) reject(error)
        else resolve(value as T)
      }
      this.perform<T | undefined>(epoch, operation, path, finish, action, undefined)
    })
  }

  #rename(change: NameChange): void {
    applyName(this.#names, change)
    this.#nameChanges.push({ ...change, order: this.nextOrder() })
  }
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

export function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}
