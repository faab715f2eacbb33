/** `sandglass verify` as an operator runs it, on the folder of a stopped node. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { projectFolder } from '../../chaos/harness/project-folder.ts'

export function verify(data: string): { readonly status: number | null; readonly output: string } {
  const binary = join(projectFolder(import.meta.dirname), 'bin/sandglass')
  const ran = spawnSync(binary, ['verify', '--data', data], { encoding: 'utf8' })
  return { status: ran.status, output: ran.stdout + ran.stderr }
}
