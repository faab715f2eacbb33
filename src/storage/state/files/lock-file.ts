/**
 * Whether a process has a database open, found out without writing to its folder: LevelDB, asked itself, would begin a
 * new info log there. It holds a POSIX lock on the file LOCK, which the kernel lists; where it does not (another system,
 * a process of another container), a database elsewhere is opened whose LOCK is a link to this one.
 */
import { mkdtemp, readFile, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** `open` opens and closes a database in the given folder; its error tells that the lock is taken. */
export async function findLock(dir: string, open: (dir: string) => Promise<void>): Promise<'free' | 'held'> {
  const lock = resolve(dir, 'LOCK')
  const about = await stat(lock).catch(ifMissing)
  // Without the file nobody has the lock.
  if (about === undefined) return 'free'
  if (listed(await readFile('/proc/locks', 'latin1').catch(ifMissing), about)) return 'held'
  const elsewhere = await mkdtemp(join(tmpdir(), 'sandglass-lock-'))
  try {
    await symlink(lock, join(elsewhere, 'LOCK'))
    await open(elsewhere)
    return 'free'
  } finally {
    await rm(elsewhere, { recursive: true, force: true })
  }
}

/** Whether the kernel lists a lock on it, or on a file of another file system that has its number. */
export async function seemsLocked(dir: string): Promise<boolean> {
  const about = await stat(resolve(dir, 'LOCK')).catch(ifMissing)
  return about !== undefined && listed(await readFile('/proc/locks', 'latin1').catch(ifMissing), about)
}

/** Lines read `1: POSIX  ADVISORY  WRITE 4711 08:01:1234567 0 EOF`; devices of some file systems differ from stat's. */
function listed(locks: string | undefined, { ino }: { readonly ino: number }): boolean {
  return (locks ?? '').split('\n').some((line) => line.includes(' WRITE ') && line.includes(`:${ino} `))
}

/** Missing, or not to be seen: then the other way tells. */
function ifMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EACCES'))
    return undefined
  throw error
}
