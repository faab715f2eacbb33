/** `sandglass config`: the settings in force as YAML, with the source of each, so that the output is a configuration. */
import { loadConfig } from '../../node/config/load.ts'
import { SETTINGS } from '../../node/config/schema.ts'

export async function printConfig(given: { file: string | undefined; flags: Record<string, unknown> }): Promise<void> {
  const { values, sources, warnings } = await loadConfig({ ...given, environment: process.env })
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`)
  for (const { key } of Object.values(SETTINGS)) {
    process.stdout.write(`${key}: ${JSON.stringify(values[key] ?? '')} # ${sources[key] ?? 'default'}\n`)
  }
}
