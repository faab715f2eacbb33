import { join } from 'node:path'

/** The usual output, and for .ci/run a JSON report of its own name in the folder it asks for. */
export function reporters(name: string) {
  const folder = process.env.SANDGLASS_REPORTS
  if (folder === undefined) return { reporters: ['default'] }
  // `npm run ok` and `npm test` both run the unit tests: the second report replaces the first, so they count once.
  return { reporters: ['default', 'json'], outputFile: { json: join(folder, `${name}.json`) } }
}
