/** What the system refuses of the data folder, as a reason not to start: which file, why, and what to do about it. */
import { resolve, sep } from 'node:path'
import { adviceFor, diskErrorCode } from './observe/disk-advice.ts'
import { StartError } from './start-error.ts'

/** In words, where the code alone does not say it. */
const REASONS: Readonly<Record<string, string>> = {
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'it is a folder, not a file',
  EACCES: 'no permission to read or write there',
  EPERM: 'no permission to read or write there',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ENOENT: 'it cannot be created there',
  ELOOP: 'its links go in a circle',
  ENAMETOOLONG: 'the path is too long',
  ENXIO: 'it is a socket or a device, not a file',
  EMFILE: 'the process has too many open files',
  EIO: 'the disk fails',
  SHORT: 'the disk took only a part of what was written',
}

/** `use` of the files in `data`; what the system refuses rejects with StartError DATA_UNUSABLE. */
export async function usingData<T>(data: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use()
  } catch (error) {
    throw unusable(data, error) ?? error
  }
}

/** undefined: it is no error of the system. */
function unusable(data: string, error: unknown): StartError | undefined {
  if (error instanceof StartError) return undefined
  const code = diskErrorCode(error)
  if (code === 'OTHER') return undefined
  const { path, message } = originOf(error)
  const where = path?.startsWith(resolve(data) + sep) ? `${path}: ` : ''
  const text = `Cannot use data ${data}: ${where}${REASONS[code] ?? message} (${code})`
  return new StartError('DATA_UNUSABLE', text, { action: adviceFor(code), cause: error })
}

/** LevelDB tells errors as texts: `IO error: /path/of/file: Permission denied`. */
function originOf(error: unknown): { readonly path: string | undefined; readonly message: string } {
  let path: string | undefined
  let message = String(error)
  for (let one = error; one instanceof Error; one = one.cause) {
    message = one.message
    if ('path' in one && typeof one.path === 'string') path = one.path
    path ??= /error: (\/.+): [^:]+$/.exec(one.message)?.[1]
  }
  return { path, message }
}
