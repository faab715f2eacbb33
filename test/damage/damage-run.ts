/** Damages one copy of the sound folder after the other. */
import { cpSync, rmSync } from 'node:fs'
import { unusedRanges } from '../../src/node/examine.ts'
import { damageableFiles, drawCase, inflict, nameOf } from './case.ts'
import { lastBatches } from './ends.ts'
import { judge, type Known, type Verdict } from './judge.ts'
import { makeSoundFolder } from './sound-folder.ts'

export interface Outcome {
  readonly verdict: Verdict | 'unchanged' | 'failed'
  readonly name: string
  readonly error?: string
}

export class DamageRun {
  readonly #known: Known
  readonly #files: ReturnType<typeof damageableFiles>
  #copies = 0

  private constructor(known: Known, files: ReturnType<typeof damageableFiles>) {
    this.#known = known
    this.#files = files
  }

  static async begin(): Promise<DamageRun> {
    const sound = await makeSoundFolder()
    const files = damageableFiles(sound.dir)
    const known = { sound, unused: await unusedRanges(sound.dir), lastBatches: await lastBatches(sound.dir, files) }
    return new DamageRun(known, files)
  }

  /** One case, drawn by `random`. Several may run beside each other: most of their time is waiting for the disk. */
  async case(random: () => number): Promise<Outcome> {
    const damage = drawCase(this.#files, random)
    const name = nameOf(damage)
    const copy = `${this.#known.sound.dir}-${this.#copies++}`
    cpSync(this.#known.sound.dir, copy, { recursive: true })
    try {
      const done = inflict(copy, damage)
      if (done === undefined) return { verdict: 'unchanged', name }
      return { verdict: await judge(copy, done, this.#known), name }
    } catch (error) {
      return { verdict: 'failed', name, error: error instanceof Error ? error.message : String(error) }
    } finally {
      rmSync(copy, { recursive: true, force: true })
    }
  }

  end(): void {
    this.#known.sound.remove()
  }
}
