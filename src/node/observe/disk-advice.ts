/** What the node says when its disk fails it: the error's code, and what whoever reads the line should do. */
import type { WalState } from '../../storage/wal/types.ts'

/** LevelDB tells errors as texts of the C library. */
const CODES: readonly (readonly [RegExp, string])[] = [
  [/no space left/i, 'ENOSPC'],
  [/disk quota/i, 'EDQUOT'],
  [/read-only file system/i, 'EROFS'],
  [/too many open files in system/i, 'ENFILE'],
  [/too many open files/i, 'EMFILE'],
  [/input\/output error/i, 'EIO'],
  [/permission denied/i, 'EACCES'],
  [/is a directory/i, 'EISDIR'],
  [/not a directory/i, 'ENOTDIR'],
]

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'make room on its file system or give it a larger one',
  EDQUOT: 'raise the disk quota of the user that runs the node',
  EROFS: 'find out why its file system is read-only (dmesg), repair and remount it, then start the node again',
  EMFILE: "raise the node's limit of open files (ulimit -n, LimitNOFILE=)",
  ENFILE: 'raise the limit of open files of the whole machine (fs.file-max)',
  EACCES: 'give the user that runs the node the right to read and write it (chown, chmod)',
  EPERM: 'give the user that runs the node the right to read and write it (chown, chmod)',
  EISDIR: 'move it away, and put back the file that belongs there',
  ENOTFILE: 'move it away, and put back the file that belongs there',
  ENXIO: 'move it away, and put back the file that belongs there',
  SHORT: 'make room on its file system or give it a larger one',
}
const BROKEN =
  'check the disk (dmesg, smartctl), then start the node again; if its data cannot be trusted, leave it stopped: the others go on'

/** The system's code of a failed disk operation; SHORT: fewer bytes were taken than given; OTHER: none is known. */
export function diskErrorCode(error: unknown): string {
  for (let one = error; one instanceof Error; one = one.cause) {
    if (one.name === 'ShortWriteError') return 'SHORT'
    if ('code' in one && typeof one.code === 'string' && /^E[A-Z]+$/.test(one.code)) return one.code
    for (const [text, code] of CODES) if (text.test(one.message)) return code
  }
  return 'OTHER'
}

/** What to do about the error of this code when the node starts; undefined: nothing special. */
export function adviceFor(code: string): string | undefined {
  return code === 'EIO' ? BROKEN : ADVICE[code]
}

/** Why the log on disk takes nothing more, for /readyz; undefined: it does. `reserveBytes`: disk_reserve_bytes. */
export function whyNoLog(state: WalState, cause: unknown, reserveBytes: number): string | undefined {
  if (state === 'ok') return undefined
  if (state === 'stuck') return 'the disk does not answer'
  if (state === 'failed') return 'the disk failed'
  const code = diskErrorCode(cause)
  if (code === 'EMFILE' || code === 'ENFILE') return `no file handles are left (${code})`
  if (code !== 'OTHER') return `the disk is full (${code})`
  return `the disk is full: less than ${2 * reserveBytes} bytes, twice disk_reserve_bytes, are free`
}

/** For the log line of a new state of the log on disk. */
export function adviceOnLog(state: WalState, cause: unknown, data: string): string {
  if (state === 'ok') return 'nothing to do: the node serves again'
  if (state === 'stuck')
    return `${data} does not answer: check the disk (dmesg, iostat); the other nodes lead meanwhile`
  if (state === 'full' && cause === undefined)
    return `${data}: make room on its file system, give it a larger one, or lower disk_reserve_bytes; the other nodes lead meanwhile`
  if (state === 'full')
    return `${data}: ${ADVICE[diskErrorCode(cause)] ?? ADVICE.ENOSPC}; the other nodes lead meanwhile`
  return `${data}: ${ADVICE[diskErrorCode(cause)] ?? BROKEN}`
}

/** For the log line of a failed write of the state, which is tried again. */
export function adviceOnState(error: unknown, data: string): string {
  return `${data}: ${ADVICE[diskErrorCode(error)] ?? BROKEN}; it is tried again, the log keeps everything meanwhile`
}
