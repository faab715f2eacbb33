/** The disk of a running node, made to fail at will by the preload shim (power-cut-faults.h). */
import { closeSync, openSync, writeSync } from 'node:fs'

export type DiskFault = 'enospc' | 'short' | 'eio-write' | 'eio-sync' | 'stuck-sync' | 'erofs' | 'emfile'

const LINE_BYTES = 224

export class FaultyDisk {
  readonly #file: number
  readonly #path: string

  /** `path`: of a control file that is made here. */
  constructor(path: string) {
    this.#path = path
    this.#file = openSync(path, 'w')
    this.heal()
  }

  /** Environment of the process with this disk. */
  env(library: string, data: string): Readonly<Record<string, string>> {
    return { LD_PRELOAD: library, POWER_CUT_DATA: data, POWER_CUT_FAULTS: this.#path }
  }

  /** Operations on paths that contain `part` fail so from now on. */
  fail(fault: DiskFault, part: string): void {
    this.#say(`${fault} ${part}\n`)
  }

  heal(): void {
    this.#say('\n')
  }

  close(): void {
    closeSync(this.#file)
  }

  /** One write of one length: never half of one line and half of another. */
  #say(line: string): void {
    writeSync(this.#file, line.padEnd(LINE_BYTES), 0)
  }
}
