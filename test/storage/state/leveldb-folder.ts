/** A temporary folder with a LevelDB state store, and copies of it as a kill -9 would leave them. */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspectState, openStateStore } from '../../../src/storage/state/store.ts'
import type { StateStore } from '../../../src/storage/state/types.ts'
import { testEnv } from './fixture.ts'

export class LevelDbFolder {
  readonly root: string
  /** Of the store. */
  readonly dir: string
  /** What the stores opened here reported. */
  readonly errors: unknown[] = []

  private constructor(root: string) {
    this.root = root
    this.dir = join(root, 'state')
  }

  static async create(): Promise<LevelDbFolder> {
    return new LevelDbFolder(await mkdtemp(join(tmpdir(), 'sandglass-leveldb-')))
  }

  open(dir = this.dir, writeBufferBytes = 4 * 1024 * 1024): Promise<StateStore> {
    return openStateStore({ dir, env: testEnv(1), onError: (error) => this.errors.push(error), writeBufferBytes })
  }

  /** The files as a kill -9 would leave them now. */
  async crashCopy(name: string): Promise<string> {
    const copy = join(this.root, name)
    await cp(this.dir, copy, { recursive: true })
    return copy
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true })
  }
}

/** What the state in `dir` holds, in numbers, and the words about its damage. */
export async function verified(dir: string): Promise<{ groups: number; rows: number; damage: readonly string[] }> {
  const { groups, damage } = await inspectState(dir)
  const rows = groups.reduce((sum, group) => sum + group.rows, 0)
  return { groups: groups.length, rows, damage: damage.map(({ text }) => text) }
}
