/**
 * LevelDB cannot open a folder without writing to it: it turns its logs into tables and begins a new manifest. Who only
 * wants to look gives it a folder of its own, with links to the tables, which never change, and copies of the rest.
 */
import { copyFile, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

export interface Twin {
  readonly dir: string
  remove(): Promise<void>
}

/** Made where the system keeps temporary files; takes the room of the logs and the manifest. */
export async function makeTwin(dir: string): Promise<Twin> {
  const twin = await mkdtemp(join(tmpdir(), 'sandglass-look-'))
  const remove = () => rm(twin, { recursive: true, force: true })
  try {
    for (const name of await readdir(dir)) {
      if (TABLE.test(name)) await symlink(resolve(dir, name), join(twin, name))
      else if (OTHER.test(name)) await copyFile(join(dir, name), join(twin, name))
    }
  } catch (error) {
    await remove()
    throw error
  }
  return { dir: twin, remove }
}

const TABLE = /^\d+\.(ldb|sst)$/
const OTHER = /^(CURRENT|MANIFEST-\d+|\d+\.log)$/
