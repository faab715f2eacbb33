/** `sandglass`: the server program. Without a subcommand it starts a node. */
import yargs, { type Argv } from 'yargs'
import { hideBin } from 'yargs/helpers'
import { VERSION } from '../../base/version.ts'
import { ConfigError } from '../../node/config/load.ts'
import { SETTINGS } from '../../node/config/schema.ts'
import { StartError } from '../../node/start-error.ts'
import { printConfig } from './config.ts'
import { runDev } from './dev.ts'
import { runNode } from './run-node.ts'
import { runInspect, runVerify } from './verify.ts'

const EXIT_REFUSED = 1
const EXIT_USAGE = 2

/** Of yargs' own making, not settings. */
const OWN_FLAGS = new Set(['_', '$0', 'config', 'help', 'version'])

interface Parsed {
  readonly [flag: string]: unknown
}

await yargs(hideBin(process.argv))
  .scriptName('sandglass')
  .usage('$0 --config FILE\n\nStarts a node of a Sandglass cluster, or runs one of the commands below.')
  .parserConfiguration({ 'camel-case-expansion': false, 'parse-numbers': false, 'parse-positional-numbers': false })
  .command('$0', 'start a node', settings, async (args) => runNode(given(args)))
  .command('start', 'start a node', settings, async (args) => runNode(given(args)))
  .command(
    'dev',
    'start one or three nodes in this terminal',
    (y) =>
      y
        .option('nodes', { choices: ['1', '3'], default: '3', describe: 'number of nodes' })
        .option('data', { type: 'string', default: './data/dev', describe: 'data folder; kept between runs' })
        .strict(),
    (args) => runDev({ nodes: Number(args.nodes), data: args.data }),
  )
  .command('config', 'print the settings in force and where they come from', settings, async (args) =>
    printConfig(given(args)),
  )
  .command('verify', "check every checksum of a stopped node's data", dataFolder, (args) => runVerify(args.data))
  .command('inspect', "print what a stopped node's log and state hold, as JSON lines", dataFolder, (args) =>
    runInspect(args.data),
  )
  .command('version', 'print the version', {}, () => {
    process.stdout.write(`${VERSION}\n`)
  })
  .example('$0 dev --nodes 3', 'three nodes on 7170, 7171 and 7172')
  .example('$0 --config deploy/node1.yaml', 'one node of a cluster')
  .version(VERSION)
  .help()
  .wrap(110)
  .fail((message, error) => fail(error ?? new ConfigError('usage', message)))
  .parseAsync()

function settings(y: Argv): Argv<Parsed> {
  y.option('config', { type: 'string', describe: 'YAML file or http(s) URL', requiresArg: true })
  for (const setting of Object.values(SETTINGS)) {
    const shown = setting.fallback === '' ? '' : ` [${setting.fallback}]`
    y.option(setting.key, {
      type: 'string',
      describe: `${setting.about}${shown}`,
      requiresArg: true,
      group: 'Settings:',
    })
  }
  return y
}

function dataFolder(y: Argv): Argv<{ data: string }> {
  return y
    .option('data', {
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe: 'data folder of a stopped node',
    })
    .strict()
}

/** Flags as the configuration loader takes them: unknown ones are refused there, by name. */
function given(args: Parsed): { file: string | undefined; flags: Record<string, unknown> } {
  const flags = Object.fromEntries(
    Object.entries(args).filter(([key, value]) => !OWN_FLAGS.has(key) && value !== undefined),
  )
  const extra = Array.isArray(args._) ? args._.filter((word) => !['start', 'config'].includes(String(word))) : []
  if (extra.length > 0) throw new ConfigError('usage', `Cannot run ${extra.join(' ')}: no such command`)
  const file = args.config
  if (Array.isArray(file)) throw new ConfigError('config', 'Cannot use --config: given twice')
  return { file: typeof file === 'string' ? file : undefined, flags }
}

function fail(error: Error): never {
  const usage = error instanceof ConfigError
  const reason = usage ? 'INVALID' : error instanceof StartError ? error.reason : 'INTERNAL'
  const field = usage ? { field: error.field } : {}
  process.stderr.write(`${JSON.stringify({ error: { reason, message: error.message, ...field } })}\n`)
  process.exit(usage ? EXIT_USAGE : EXIT_REFUSED)
}
