/**
 * A disk in memory that behaves as badly as a real one may: until a sync, a crash keeps any subset of what was written,
 * tears single writes between (and inside) sectors, and forgets names; operations fail, fall short, or never end.
 */
import type { Disk, DiskFile, OpenMode } from '../../src/storage/disk.ts'

const SECTOR_BYTES = 512

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

type Change =
  | { readonly type: 'write'; readonly position: number; readonly data: Uint8Array }
  | { readonly type: 'truncate'; readonly bytes: number }

type NameChange =
  | { readonly type: 'create'; readonly path: string; readonly inode: Inode }
  | { readonly type: 'rename'; readonly path: string; readonly to: string }
  | { readonly type: 'remove'; readonly path: string }

interface Inode {
  data: Uint8Array
  durable: Uint8Array
  changes: Change[]
}

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
  operations = 0
  syncs = 0
  #names = new Map<string, Inode>()
  #durableNames = new Map<string, Inode>()
  #nameChanges: NameChange[] = []
  #epoch = 0

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
    this.kill()
    for (const change of this.#nameChanges) {
      if (random() < 0.5) applyName(this.#durableNames, change)
    }
    this.#nameChanges = []
    for (const inode of new Set(this.#durableNames.values())) {
      const keepAll = random() < 0.3
      let data = inode.durable
      for (const change of inode.changes) {
        if (keepAll || random() < 0.7)
          data = change.type === 'write' ? torn(data, change, random) : cut(data, change.bytes)
      }
      inode.data = data.slice()
      inode.durable = data.slice()
      inode.changes = []
    }
    this.#names = new Map(this.#durableNames)
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
    setImmediate(() => {
      if (epoch !== this.#epoch || this.#stops(operation)) return
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

  #stops(operation: DiskOperation): boolean {
    const changes = operation !== 'read' && operation !== 'list' && operation !== 'size' && operation !== 'freeBytes'
    if (changes && !this.stopped) this.operations++
    return this.stopped
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
    this.#nameChanges.push(change)
  }
}

class SimulatedFile implements DiskFile {
  readonly #disk: SimulatedDisk
  readonly #inode: Inode
  readonly #opened: string
  readonly #epoch: number

  constructor(disk: SimulatedDisk, inode: Inode, path: string, epoch: number) {
    this.#epoch = epoch
    this.#disk = disk
    this.#inode = inode
    this.#opened = path
  }

  get #path(): string {
    return this.#disk.pathOf(this.#inode, this.#opened)
  }

  writev(buffers: readonly Uint8Array[], position: number, done: (error: Error | null, written: number) => void): void {
    const data = Buffer.concat(buffers)
    const write = (fault: Fault | undefined) => {
      const grows = Math.max(0, position + data.byteLength - this.#inode.data.byteLength)
      const room = Math.max(0, this.#disk.capacity - this.#disk.used())
      let taken = grows > room ? Math.max(0, data.byteLength - (grows - room)) : data.byteLength
      if (fault?.type === 'short') taken = Math.min(taken, fault.bytes)
      if (taken === 0 && data.byteLength > 0) throw failure('ENOSPC', this.#path)
      this.#change({ type: 'write', position, data: data.subarray(0, taken) })
      return taken
    }
    this.#disk.perform(this.#epoch, 'writev', this.#path, done, write, 0)
  }

  datasync(done: (error: Error | null) => void): void {
    const finish = (error: Error | null) => done(error)
    const forget = () => this.#forget()
    this.#disk.perform<void>(this.#epoch, 'datasync', this.#path, finish, () => this.#sync(), undefined, forget)
  }

  sync(): Promise<void> {
    return this.#promise('sync', () => this.#sync())
  }

  readSync(target: Uint8Array, position: number): number {
    const fault = this.#disk.fault('read', this.#path)
    if (fault?.type === 'error') throw failure(fault.code, this.#path)
    const part = this.#inode.data.subarray(position, position + target.byteLength)
    target.set(part)
    return part.byteLength
  }

  size(): Promise<number> {
    return this.#promise('size', () => this.#inode.data.byteLength)
  }

  truncate(bytes: number): Promise<void> {
    return this.#promise('truncate', () => this.#change({ type: 'truncate', bytes }))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #change(change: Change): void {
    this.#inode.data = applied(this.#inode.data, change)
    this.#inode.changes.push(change)
  }

  /** As Linux does it: what could not be written counts as clean, stays readable, and is gone with the power. */
  #forget(): void {
    this.#inode.changes = []
  }

  #sync(): void {
    this.#disk.syncs++
    for (const change of this.#inode.changes) this.#inode.durable = applied(this.#inode.durable, change)
    this.#inode.changes = []
  }

  #promise<T>(operation: DiskOperation, action: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const finish = (error: Error | null, value: T | undefined) => (error ? reject(error) : resolve(value as T))
      this.#disk.perform<T | undefined>(this.#epoch, operation, this.#path, finish, action, undefined)
    })
  }
}

function applied(old: Uint8Array, change: Change): Uint8Array {
  return change.type === 'write' ? written(old, change) : cut(old, change.bytes)
}

function applyName(names: Map<string, Inode>, change: NameChange): void {
  if (change.type === 'create') names.set(change.path, change.inode)
  if (change.type === 'remove') names.delete(change.path)
  if (change.type !== 'rename') return
  const inode = names.get(change.path)
  if (!inode) return
  names.delete(change.path)
  names.set(change.to, inode)
}

function written(old: Uint8Array, { position, data }: { position: number; data: Uint8Array }): Uint8Array {
  const result = position + data.byteLength > old.byteLength ? new Uint8Array(position + data.byteLength) : old.slice()
  if (result.byteLength !== old.byteLength) result.set(old)
  result.set(data, position)
  return result
}

/** Some sectors of the write arrive whole, some do not, and one may stop halfway. */
function torn(old: Uint8Array, change: { position: number; data: Uint8Array }, random: () => number): Uint8Array {
  const kind = random()
  if (kind < 0.4) return written(old, change)
  if (kind < 0.7) {
    const data = change.data.subarray(0, Math.floor(random() * change.data.byteLength))
    return written(old, { position: change.position, data })
  }
  let result = old
  for (let at = 0; at < change.data.byteLength; at += SECTOR_BYTES) {
    if (random() < 0.5) continue
    result = written(result, { position: change.position + at, data: change.data.subarray(at, at + SECTOR_BYTES) })
  }
  return result
}

function cut(old: Uint8Array, bytes: number): Uint8Array {
  const result = new Uint8Array(bytes)
  result.set(old.subarray(0, bytes))
  return result
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}
