// The command line of sandctl: flags to commands. Parsing runs nothing; it gives back what to run.
import yargs, { type Argv } from 'yargs'
import { VERSION } from '../../base/version.ts'
import { benchConsume, benchProduce } from './bench.ts'
import { consume } from './consume.ts'
import { type Command, durationOf, type GlobalOptions, timeOf } from './context.ts'
import { EXIT, UsageError } from './exit.ts'
import { clusterNodes, clusterStatus, describeGroup, getMessage, listGroups } from './inspect.ts'
import { produce } from './produce.ts'
import { createTopic, deleteTopic, describeTopic, listTopics } from './topics.ts'

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
  const parser = inspection(
    consumption(production(topics(globals(), choose), choose, afterDashes(args)), choose),
    choose,
  )
  let text = ''
  const argv: Readonly<Record<string, unknown>> = await parser.parseAsync(dashed(args), {}, (error, _argv, output) => {
    if (error) throw new UsageError(error.message)
    text = output
  })
  const addrs = argv.addrs === undefined ? undefined : String(argv.addrs)
  const options = { addrs, timeout: String(argv.timeout), output: String(argv.output) }
  return { text, command, options }
}

type Choose = (command: Command) => void

function globals(): Argv {
  return yargs([])
    .scriptName('sandctl')
    .usage('$0 COMMAND: topics, messages and the state of a Sandglass cluster')
    .option('addrs', {
      alias: 's',
      type: 'string',
      describe: 'host:port,... of some nodes [SANDGLASS_ADDRS, else 127.0.0.1:7170]',
    })
    .option('timeout', { type: 'string', default: '10s', describe: 'for every call, with its retries' })
    .option('output', { alias: 'o', type: 'string', default: 'table', describe: 'table, json or jsonl' })
    .global(['addrs', 'timeout', 'output'])
    .completion('completion', 'Print a completion script for the shell')
    .version(false)
    .help()
    .alias('help', 'h')
    .strict()
    .demandCommand(1, 'A command is needed; --help lists them')
    .exitProcess(false)
    .fail((message, error) => {
      throw error instanceof UsageError ? error : new UsageError(message ?? error.message)
    })
    .epilogue('Exit codes: 0 ok, 1 refused, 2 usage, 3 unreachable or late, 4 outcome unknown')
}

function topics(parser: Argv, choose: Choose): Argv {
  return parser.command('topics', 'Create, list, describe or delete topics', (y) =>
    y
      .command(
        'create <name>',
        'Create a topic; answers when every partition has a leader',
        (c) =>
          named(c)
            .option('num-partitions', { alias: 'partitions', type: 'number', demandOption: true })
            .option('replication-factor', { type: 'number', demandOption: true })
            .option('kind', { choices: ['timer', 'kv'] as const, default: 'timer' as const })
            .example('$0 topics create emails --num_partitions 3 --replication_factor 3', ''),
        (a) =>
          choose(
            createTopic({
              name: a.name,
              partitions: count(a.numPartitions, '--num-partitions'),
              replicationFactor: count(a.replicationFactor, '--replication-factor'),
              kind: a.kind,
            }),
          ),
      )
      .command('list', 'Names of all topics', {}, () => choose(listTopics()))
      .command('describe <name>', 'Partitions, leaders and replicas', named, (a) => choose(describeTopic(a.name)))
      .command('delete <name>', 'Delete a topic and all its messages', named, (a) => choose(deleteTopic(a.name)))
      .demandCommand(1, 'topics: create, list, describe or delete'),
  )
}

function production(parser: Argv, choose: Choose, rest: readonly string[]): Argv {
  return parser.command(
    'produce <topic> [payload]',
    'Store messages',
    (y) =>
      y
        .positional('topic', { type: 'string', demandOption: true })
        .positional('payload', { type: 'string' })
        .option('number', { alias: 'n', type: 'number', default: 1, describe: 'store the payload this many times' })
        .option('file', {
          type: 'string',
          describe: 'JSON lines {"value","key"?,"delayMs"?|"at"?,"channel"?,"headers"?}; - is stdin',
        })
        .option('delay', { type: 'string', describe: 'due after, as in 10s' })
        .option('at', { type: 'string', describe: 'due at: RFC 3339 or ms since 1970' })
        .option('key', { type: 'string' })
        .option('channel', { type: 'string' })
        .option('partition', { type: 'number' })
        .conflicts('delay', 'at')
        .conflicts('payload', 'file')
        .example('$0 produce emails \'{"to": "hi@example.com"}\' --delay 10s', '')
        .example('$0 produce emails --file tasks.jsonl -o json', ''),
    (a) => {
      const { topic, file, key, channel, partition } = a
      const [payload, ...more] = a.payload === undefined ? rest : [a.payload, ...rest]
      if (more.length > 0 || (payload !== undefined && file !== undefined))
        throw new UsageError('One PAYLOAD or --file is needed')
      const delayMs = a.delay === undefined ? undefined : durationOf(a.delay, '--delay')
      const deliverAt = a.at === undefined ? undefined : timeOf(a.at, '--at')
      const defaults = { key, channel, partition, delayMs, deliverAt }
      choose(produce({ topic, payload, file, count: count(a.number, '-n'), defaults }))
    },
  )
}

function consumption(parser: Argv, choose: Choose): Argv {
  return parser.command(
    'consume <topic>',
    'Print messages that are due and acknowledge them',
    (y) =>
      y
        .positional('topic', { type: 'string', demandOption: true })
        .option('follow', { alias: 'f', type: 'boolean', default: false, describe: 'go on when nothing more is due' })
        .option('group', { alias: 'consumer-group', type: 'string', default: 'sandctl' })
        .option('name', { alias: 'consumer-name', type: 'string', describe: 'default: random' })
        .option('channel', { type: 'string' })
        .option('partition', { type: 'number' })
        .option('limit', { type: 'number', describe: 'end after this many' })
        .option('lease', { type: 'string', describe: 'as in 30s; default: the node decides' })
        .option('ack', { type: 'boolean', default: true, describe: '--no-ack leaves them to be delivered again' })
        .example('$0 consume -f emails', '')
        .example('$0 consume emails --group mailer --limit 10 -o jsonl', ''),
    (a) => {
      const consumer = {
        topic: a.topic,
        group: a.group,
        name: a.name,
        channel: a.channel,
        partitions: a.partition === undefined ? undefined : [a.partition],
        leaseMs: a.lease === undefined ? undefined : durationOf(a.lease, '--lease'),
      }
      const limit = a.limit === undefined ? undefined : count(a.limit, '--limit', 1)
      choose(consume({ consumer, channel: a.channel ?? 'master', follow: a.follow, limit, ack: a.ack }))
    },
  )
}

function inspection(parser: Argv, choose: Choose): Argv {
  return parser
    .command('messages', 'Look at single messages', (y) =>
      y
        .command(
          'get <offset>',
          'One message by its offset',
          (c) => inTopic(c).positional('offset', { type: 'string', demandOption: true }),
          (a) => choose(getMessage(a.offset, a.topic)),
        )
        .demandCommand(1, 'messages: get'),
    )
    .command('groups', 'List or describe groups', (y) =>
      y
        .command('list', 'All groups', inTopic, (a) => choose(listGroups(a.topic)))
        .command(
          'describe <name> [group]',
          'How far a group is, by partition: describe GROUP, or describe TOPIC GROUP',
          (c) =>
            inTopic(c)
              .positional('name', { type: 'string', demandOption: true })
              .positional('group', { type: 'string' })
              .option('channel', { type: 'string' }),
          ({ name, group, topic, channel }) =>
            choose(describeGroup(group ?? name, { topic: group === undefined ? topic : name, channel })),
        )
        .demandCommand(1, 'groups: list or describe'),
    )
    .command('cluster', 'The state of nodes and partitions', (y) =>
      y
        .command('status', 'Nodes, leaders, terms and indexes', {}, () => choose(clusterStatus()))
        .command('nodes', 'All nodes', {}, () => choose(clusterNodes()))
        .demandCommand(1, 'cluster: status or nodes'),
    )
    .command('bench', 'A quick load from this process', (y) =>
      y
        .command('produce', 'Rate and latency of produce', benched, (a) => choose(benchProduce(benchOf(a))))
        .command('consume', 'Rate of deliveries, latency of acks', benched, (a) => choose(benchConsume(benchOf(a))))
        .demandCommand(1, 'bench: produce or consume'),
    )
    .command('version', 'The version of this program', {}, () => choose(version))
}

const version: Command = ({ output }) => {
  if (output.format === 'table') output.text(VERSION)
  else output.json({ version: VERSION })
  return Promise.resolve(EXIT.ok)
}

function named(y: Argv): Argv<{ name: string }> {
  return y.positional('name', { type: 'string', demandOption: true })
}

function inTopic(y: Argv): Argv<{ topic: string | undefined }> {
  return y.option('topic', { type: 'string' })
}

interface BenchFlags {
  readonly topic: string
  readonly n: number
  readonly bytes: number
  readonly concurrency: number
}

function benched(y: Argv): Argv<BenchFlags> {
  return y
    .option('topic', { type: 'string', default: 'bench', describe: 'created if there is none' })
    .option('n', { type: 'number', default: 100_000, describe: 'messages' })
    .option('bytes', { type: 'number', default: 100 })
    .option('concurrency', { type: 'number', default: 1000 })
}

function benchOf({ topic, n, bytes, concurrency }: BenchFlags): Parameters<typeof benchProduce>[0] {
  return {
    topic,
    count: count(n, '-n'),
    bytes: count(bytes, '--bytes'),
    concurrency: count(concurrency, '--concurrency'),
  }
}

function count(value: number, flag: string, min = 0): number {
  if (!Number.isSafeInteger(value) || value < min) throw new UsageError(`${flag} is a whole number from ${min} on`)
  return value
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
