/**
 * Something that keeps memory, driven as far as its bound lets it. child.ts runs all of them in a process with a small
 * heap; what each answers is alive while memory is measured.
 */
export type Scenarios = Readonly<Record<string, () => unknown>>

export interface Measured {
  readonly name: string
  /** Of the buffers that it keeps. */
  readonly bytes: number
}

export const MIB = 1024 * 1024
