/**
 * Files one after the other, whole, the next ones read while the caller looks at one: a start checks every table of the
 * store, and neither the disk nor the processor should wait for the other.
 */
import { type FileHandle, open } from 'node:fs/promises'

/** Files in memory at a time, each in a buffer that is used again. */
const AHEAD = 4

/** The content of each file, in order, valid until the next is asked for. Rejects with the first file that cannot be read. */
export async function* readAhead(paths: readonly string[]): AsyncGenerator<Buffer, void, void> {
  const buffers = Array.from({ length: AHEAD }, () => new FileBuffer())
  const reads: Promise<Buffer>[] = []
  const begin = (at: number) => {
    const [path, buffer] = [paths[at], buffers[at % AHEAD]]
    if (path === undefined || buffer === undefined) return
    reads[at] = buffer.read(path)
    // It is awaited in its turn, unless one before it failed or the caller has seen enough.
    reads[at]?.catch(() => 'told in its turn')
  }
  try {
    for (let at = 0; at < AHEAD - 1; at++) begin(at)
    for (let at = 0; at < paths.length; at++) {
      begin(at + AHEAD - 1)
      const bytes = await reads[at]
      if (bytes !== undefined) yield bytes
    }
  } finally {
    await Promise.allSettled(reads)
  }
}

class FileBuffer {
  #bytes = Buffer.alloc(0)

  async read(path: string): Promise<Buffer> {
    const file = await open(path, 'r')
    try {
      const { size } = await file.stat()
      if (size > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(size)
      return this.#bytes.subarray(0, await fill(file, this.#bytes.subarray(0, size)))
    } finally {
      await file.close()
    }
  }
}

async function fill(file: FileHandle, into: Buffer): Promise<number> {
  for (let at = 0; at < into.length; ) {
    const { bytesRead } = await file.read(into, at, into.length - at, at)
    if (bytesRead === 0) return at
    at += bytesRead
  }
  return into.length
}
