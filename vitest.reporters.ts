import { join } from 'node:path'

/** The usual output, and for .ci/run a JSON report of its own name in the folder it asks for. */
export function reporters(name: string) {
  const folder = process.env.SANDGLASS_REPORTS
  if (folder === undefined) return { reporters: ['default'] }
  return { reporters: ['default', 'json'], outputFile: { json: join(folder, `${name}.json`) } }
}
