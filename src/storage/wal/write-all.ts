/** Writing to the disk and telling the failures apart: no room (wait and retry), a failed sync (fatal), anything else. */
import type { Disk, DiskFile } from '../disk.ts'

/** Fewer bytes than asked for reached the file: as good as no room. */
class ShortWriteError extends Error {
  override readonly name = 'ShortWriteError'
}

/** What is durable is unknown from now on: the kernel may have dropped what it could not write. Never retried. */
class SyncError extends Error {
  override readonly name = 'SyncError'
}

/** True if the operation may succeed once there is room. */
export function isNoSpace(error: unknown): boolean {
  if (error instanceof ShortWriteError) return true
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** True if it failed for want of room or of file handles, with nothing done: it is simply done again. */
export function mayPass(error: unknown): boolean {
  if (isNoSpace(error)) return true
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'EMFILE' || code === 'ENFILE'
}

/** One write of all `buffers`; rejects with ShortWriteError if not everything arrived. */
export function writeAll(file: DiskFile, buffers: readonly Uint8Array[], position: number): Promise<void> {
  let bytes = 0
  for (const buffer of buffers) bytes += buffer.byteLength
  return new Promise((resolve, reject) => {
    file.writev(buffers, position, (error, written) => {
      if (error) reject(error)
      else if (written < bytes) reject(new ShortWriteError(`Cannot write ${bytes} bytes: only ${written} were taken`))
      else resolve()
    })
  })
}

export function datasync(file: DiskFile): Promise<void> {
  return new Promise((resolve, reject) => {
    file.datasync((error) => {
      if (error) reject(new SyncError('Cannot sync the log: what is durable is unknown', { cause: error }))
      else resolve()
    })
  })
}

/** fsync of contents and metadata. */
export async function fullSync(file: DiskFile): Promise<void> {
  try {
    await file.sync()
  } catch (cause) {
    throw new SyncError('Cannot sync the log: what is durable is unknown', { cause })
  }
}

/** Closes and removes a file that is not needed, whatever state it is in; the error that led here matters more. */
export async function discard(disk: Disk, file: DiskFile | undefined, path: string): Promise<void> {
  await Promise.allSettled([file?.close(), disk.remove(path)])
}
