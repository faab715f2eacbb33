/** An open file of a simulated disk: its writes reach the page cache, its syncs make them durable. */
import type { DiskFile } from '../../src/storage/disk.ts'
import { applied, type Change, type Inode } from './disk-image.ts'
import { type DiskOperation, type Fault, failure, type SimulatedDisk } from './simulated-disk.ts'

export class SimulatedFile implements DiskFile {
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
    this.#inode.changes.push({ ...change, order: this.#disk.nextOrder() })
  }

  /** As Linux does it: what could not be written counts as clean, stays readable, and is gone with the power. */
  #forget(): void {
    this.#inode.changes = []
    this.#inode.hasForgotten = true
  }

  #sync(): void {
    const inode = this.#inode
    this.#disk.syncs++
    if (inode.hasForgotten) for (const change of inode.changes) inode.durable = applied(inode.durable, change)
    else inode.durable = inode.data
    inode.changes = []
  }

  #promise<T>(operation: DiskOperation, action: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const finish = (error: Error | null, value: T | undefined) => (error ? reject(error) : resolve(value as T))
      this.#disk.perform<T | undefined>(this.#epoch, operation, this.#path, finish, action, undefined)
    })
  }
}
