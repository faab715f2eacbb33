/** The folder with bin/, whether the caller runs from its source or from dist/. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

export function projectFolder(from: string): string {
  if (existsSync(join(from, 'bin/sandglass'))) return from
  if (dirname(from) === from) throw new Error('no bin/sandglass above this file')
  return projectFolder(dirname(from))
}
