// The command line of sandctl: flags to commands. Parsing runs nothing; it gives back what to run.
import yargs, { type Argv } from 'yargs'
import { VERSION } from '../../base/version.ts'
import { usageText } from '../usage-text.ts'
import type { Command, GlobalOptions } from './context.ts'
import { UsageError } from './exit.ts'
import { consumeCommand, produceCommand } from './message-commands.ts'
import { stateCommands } from './state-commands.ts'
import { topicCommands } from './topic-commands.ts'
import { checkSwitches } from './values.ts'

export interface Parsed {
  /** What yargs has to say itself: help, or the completion script. */
  readonly text: string
  readonly command: Command | undefined
  readonly options: GlobalOptions
}

/** Throws UsageError. */
export async function parseArguments(args: readonly string[]): Promise<Parsed> {
  let command: Command | undefined
  const choose = (chosen: Command): void => {
    command = chosen
  }
  checkSwitches(dashed(args))
  const parser = globals(args)
  topicCommands(parser, choose)
  produceCommand(parser, choose, afterDashes(args))
  consumeCommand(parser, choose)
  stateCommands(parser, choose)
  let text = ''
  const argv: Readonly<Record<string, unknown>> = await parser.parseAsync(dashed(args), {}, (error, _argv, output) => {
    if (error) throw new UsageError(error.message)
    text = output
  })
  if (text === '' && command === undefined) throw new UsageError('A command is needed; --help lists them')
  const addrs = argv.addrs === undefined ? undefined : String(argv.addrs)
  const options = { addrs, timeout: String(argv.timeout), output: String(argv.output) }
  return { text, command, options }
}

const WIDTH = 100

function globals(args: readonly string[]): Argv {
  return yargs([])
    .scriptName('sandctl')
    .usage('$0 COMMAND: topics, messages and the state of a Sandglass cluster')
    .option('addrs', {
      alias: 's',
      type: 'string',
      requiresArg: true,
      describe: 'host:port,... of some nodes [SANDGLASS_ADDRS, else 127.0.0.1:7170]',
    })
    .option('timeout', {
      type: 'string',
      requiresArg: true,
      default: '10s',
      describe: 'for every call, with its retries',
    })
    .option('output', {
      alias: 'o',
      type: 'string',
      requiresArg: true,
      default: 'table',
      describe: 'table, json or jsonl',
    })
    .global(['addrs', 'timeout', 'output'])
    .completion('completion', 'Print a completion script for the shell')
    .version(VERSION)
    .help()
    .alias('help', 'h')
    .strict()
    .example('$0 topics create emails --num_partitions 3 --replication_factor 3', '')
    .example('$0 produce emails hello --delay 10s', '')
    .example('$0 consume -f emails', '')
    .wrap(WIDTH)
    .exitProcess(false)
    .fail((message, error) => {
      // Its own command is unknown to yargs when it validates; the script is printed by then.
      if (message === 'Unknown argument: completion') return
      throw error instanceof UsageError ? error : new UsageError(usageText(message ?? error.message, args))
    })
    .epilogue('Exit codes: 0 ok, 1 refused, 2 usage, 3 unreachable or late, 4 outcome unknown')
}

/** yargs leaves these out of a command's own arguments: a payload that begins with `-` stands here. */
function afterDashes(args: readonly string[]): string[] {
  const at = args.indexOf('--')
  return at < 0 ? [] : args.slice(at + 1)
}

/** `-` and `_` in the names of flags are the same. A lone `-` belongs to the flag before it; yargs takes it for an argument. */
function dashed(args: readonly string[]): string[] {
  const end = args.indexOf('--')
  const flags = (end < 0 ? args : args.slice(0, end)).map((arg) =>
    arg.replace(/^--[^=]+/, (name) => name.replaceAll('_', '-')),
  )
  const joined: string[] = []
  for (const arg of flags) {
    const before = joined.at(-1)
    if (arg === '-' && before !== undefined && /^--[^=]+$/.test(before)) joined[joined.length - 1] = `${before}=-`
    else joined.push(arg)
  }
  return end < 0 ? joined : [...joined, ...args.slice(end)]
}
