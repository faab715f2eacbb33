/** The commands of `sandglass`, the server program. Without a subcommand it starts a node. */
import yargs, { type Argv } from 'yargs'
import { VERSION } from '../../base/version.ts'
import { ConfigError } from '../../node/config/load.ts'
import { SETTINGS } from '../../node/config/schema.ts'
import { StartError } from '../../node/start-error.ts'
import { usageText } from '../usage-text.ts'
import { printConfig } from './config.ts'
import { runDev } from './dev.ts'
import { errorLine } from './error-line.ts'
import { endWithOutput, type LookOptions, runInspect, runVerify } from './look.ts'
import { runNode } from './run-node.ts'
import type { StopSignals } from './signals.ts'

const EXIT_REFUSED = 1
const EXIT_USAGE = 2

/** Of yargs' own making, not settings. */
const OWN_FLAGS = new Set(['_', '$0', 'config', 'help', 'version'])

interface Parsed {
  readonly [flag: string]: unknown
}

/** Ends the process itself when something goes wrong: 1 refused, 2 usage. */
export async function runSandglass(words: readonly string[], signals: StopSignals): Promise<void> {
  try {
    checkSwitches(words)
    await parsed(words, signals)
  } catch (error) {
    // yargs tells its `fail` only of what a command rejects, not of what it throws.
    fail(error instanceof Error ? error : new Error(String(error)))
  }
  // What runs has said that it handles signals.
  signals.release()
}

async function parsed(words: readonly string[], signals: StopSignals): Promise<void> {
  const startNode = async (args: Parsed) => runNode(given(args), signals)
  await yargs([...words])
    .scriptName('sandglass')
    .usage('$0 --config FILE\n\nStarts a node of a Sandglass cluster, or runs one of the commands below.')
    .parserConfiguration({ 'camel-case-expansion': false, 'parse-numbers': false, 'parse-positional-numbers': false })
    .command('$0', 'start a node', settings, startNode)
    .command('start', 'start a node', settings, startNode)
    .command('dev', 'start one or three nodes in this terminal', devFlags, (args) =>
      runDev({ nodes: Number(one('nodes', args.nodes)), data: one('data', args.data) }, signals),
    )
    .command('config', 'print the settings in force and where they come from', configFlags, (args) => {
      signals.release()
      return printConfig(given(args))
    })
    .command('verify', "check every byte of a stopped node's data", verifyFlags, (args) => {
      signals.release()
      endWithOutput()
      return runVerify(looked(args))
    })
    .command('inspect', 'print what the data of a stopped node holds', inspectFlags, (args) => {
      signals.release()
      endWithOutput()
      return runInspect({ ...args, ...looked(args) })
    })
    .command('version', 'print the version', {}, () => {
      process.stdout.write(`${VERSION}\n`)
    })
    .example('$0 dev --nodes 3', 'three nodes on 7170, 7171 and 7172')
    .example('$0 --config deploy/node1.yaml', 'one node of a cluster')
    .example('$0 --name n1 --data ./n1', 'a cluster of one, from flags')
    .epilogue(
      'Exit codes: 0 ok, 1 refused, 2 usage, 130 ended by a second signal. Settings may also stand in SANDGLASS_*.',
    )
    .version(VERSION)
    .help()
    .wrap(110)
    .fail((message: string | null, error: Error | undefined) => {
      if (error !== undefined && error.name !== 'YError') fail(error)
      fail(new ConfigError('usage', usageText(message ?? error?.message ?? '', words)))
    })
    .parseAsync()
}

/** yargs takes any value but `true` for false. */
function checkSwitches(words: readonly string[]): void {
  for (const word of words) {
    const [, flag] = /^--(?:no-)?(unused|frames)=(?!true$|false$)/.exec(word) ?? []
    if (flag !== undefined) throw new ConfigError(flag, `Cannot use --${flag}: it takes no value`)
  }
}

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
    .example('$0 start --config deploy/node1.yaml', '')
    .example('SANDGLASS_LOG_LEVEL=warn $0 start --data ./n1', 'flags beat SANDGLASS_*, which beat the file')
}

function configFlags(y: Argv): Argv<Parsed> {
  return settings(y).example('$0 config --config deploy/node1.yaml', 'the output is a configuration file itself')
}

function devFlags(y: Argv): Argv<{ nodes: string; data: string }> {
  return y
    .option('nodes', { choices: ['1', '3'], default: '3', describe: 'number of nodes' })
    .option('data', {
      type: 'string',
      default: './data/dev',
      describe: 'data folder; kept between runs',
      requiresArg: true,
    })
    .example('$0 dev', 'three nodes: gRPC 7170 7171 7172, HTTP 2108 3108 4108')
    .example('$0 dev --nodes 1 --data ./try', '')
    .strict()
}

function dataFolder(y: Argv): Argv<LookOptions> {
  return y
    .option('data', {
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe: 'data folder of a stopped node; nothing in it is changed',
    })
    .option('output', {
      alias: 'o',
      choices: ['table', 'json'],
      default: 'table',
      describe: 'words or one JSON object',
    })
    .strict()
}

function verifyFlags(y: Argv): Argv<LookOptions> {
  return dataFolder(y).example('$0 verify --data ./data/dev/n1', 'exit 1 and the places when anything is damaged')
}

function inspectFlags(y: Argv): Argv<LookOptions & { unused: boolean; frames: boolean }> {
  return dataFolder(y)
    .option('unused', {
      type: 'boolean',
      default: false,
      describe: 'only the ranges of its files that carry no meaning',
    })
    .option('frames', { type: 'boolean', default: false, describe: "every frame of the log's files, as JSON lines" })
    .example('$0 inspect --data ./data/dev/n1', 'segments, groups, terms and indexes')
    .example('$0 inspect --data ./data/dev/n1 --unused -o json', '')
}

function one(flag: string, value: string): string {
  checkOne(flag, value)
  if (value === '') throw new ConfigError(flag, `Cannot use --${flag}: it is empty`)
  return value
}

function looked({ data, output }: LookOptions): LookOptions {
  return { data: one('data', data), output: one('output', output) }
}

/** Flags as the configuration loader takes them: unknown ones are refused there, by name. */
function given(args: Parsed): { file: string | undefined; flags: Record<string, unknown> } {
  const flags = Object.fromEntries(
    Object.entries(args).filter(([key, value]) => !OWN_FLAGS.has(key) && value !== undefined),
  )
  const extra = Array.isArray(args._) ? args._.filter((word) => !['start', 'config'].includes(String(word))) : []
  if (extra.length > 0) throw new ConfigError('usage', `Cannot run ${extra.join(' ')}: no such command`)
  for (const [key, value] of Object.entries({ ...flags, config: args.config })) checkOne(key, value)
  const file = args.config
  return { file: typeof file === 'string' ? file : undefined, flags }
}

/** yargs makes a list of a flag given twice, false of --no-FLAG, and an object of --FLAG.x. */
function checkOne(flag: string, value: unknown): void {
  if (value === undefined || typeof value === 'string') return
  throw new ConfigError(flag, `Cannot use --${flag}: ${Array.isArray(value) ? 'given twice' : 'one value is needed'}`)
}

function fail(error: Error): never {
  process.stderr.write(errorLine(told(error)))
  process.exit(error instanceof ConfigError ? EXIT_USAGE : EXIT_REFUSED)
}

function told(error: Error): Parameters<typeof errorLine>[0] {
  if (error instanceof StartError) return error
  const { message } = error
  return error instanceof ConfigError
    ? { reason: 'INVALID', message, field: error.field }
    : { reason: 'INTERNAL', message }
}
