// The command lines of sandctl messages, groups, cluster, bench and version.
import type { Argv } from 'yargs'
import { SandglassError } from '../../base/errors.ts'
import { MESSAGE_BYTES_MAX } from '../../base/limits.ts'
import { decodeOffset } from '../../base/offset.ts'
import { VERSION } from '../../base/version.ts'
import { benchConsume, benchProduce } from './bench.ts'
import type { Command } from './context.ts'
import { EXIT, UsageError } from './exit.ts'
import { type Choose, oneOf } from './flags.ts'
import { clusterNodes, clusterStatus, describeGroup, getMessage, listGroups } from './inspect.ts'
import { nameOf, wholeOf } from './values.ts'

/** `sandctl messages | groups | cluster | bench | version ...` */
export function stateCommands(parser: Argv, choose: Choose): Argv {
  return parser
    .command('messages', 'Look at single messages', (y) =>
      y
        .command(
          'get <offset>',
          'One message by its offset',
          (c) =>
            inTopic(c)
              .positional('offset', { type: 'string', demandOption: true, describe: '26 characters' })
              .example('$0 messages get 05E4ECYW2G0G40R40000A1G710 -o json', ''),
          (a) => choose(getMessage(offsetOf(a.offset), topicOf(a.topic))),
        )
        .command('$0', false, {}, () => choose(oneOf('messages', 'get'))),
    )
    .command('groups', 'List or describe groups', (y) =>
      y
        .command(
          'list',
          'All groups',
          (c) => inTopic(c).example('$0 groups list --topic emails', ''),
          (a) => choose(listGroups(topicOf(a.topic))),
        )
        .command(
          'describe <name> [group]',
          'How far a group is, by partition: describe GROUP, or describe TOPIC GROUP',
          (c) =>
            inTopic(c)
              .positional('name', { type: 'string', demandOption: true, describe: 'the group, or its topic' })
              .positional('group', { type: 'string', describe: 'the group' })
              .option('channel', {
                type: 'string',
                requiresArg: true,
                describe: 'where several channels have the group',
              })
              .example('$0 groups describe sandctl', 'wherever it is, if only one topic has it')
              .example('$0 groups describe emails sandctl -o json', ''),
          ({ name, group, topic, channel }) =>
            choose(
              describeGroup(nameOf(group ?? name, 'GROUP', KNOWN), {
                topic: topicOf(group === undefined ? topic : name),
                channel: channel === undefined ? undefined : nameOf(channel, '--channel', KNOWN),
              }),
            ),
        )
        .command('$0', false, {}, () => choose(oneOf('groups', 'list, describe'))),
    )
    .command('cluster', 'The state of nodes and partitions', (y) =>
      y
        .command(
          'status',
          'Nodes, leaders, terms and indexes',
          (c) => c.example('$0 cluster status -s 127.0.0.1:7171', 'as this node sees it'),
          () => choose(clusterStatus()),
        )
        .command(
          'nodes',
          'All nodes',
          (c) => c.example('$0 cluster nodes -o json', ''),
          () => choose(clusterNodes()),
        )
        .command('$0', false, {}, () => choose(oneOf('cluster', 'status, nodes'))),
    )
    .command('bench', 'A quick load from this process', (y) =>
      y
        .command(
          'produce',
          'Rate and latency of produce',
          (c) => benched(c).example('$0 bench produce -n 10000 --bytes 1000', ''),
          (a) => choose(benchProduce(benchOf(a))),
        )
        .command(
          'consume',
          'Rate of deliveries, latency of acks',
          (c) => benched(c).example('$0 bench consume -n 10000', ''),
          (a) => choose(benchConsume(benchOf(a))),
        )
        .command('$0', false, {}, () => choose(oneOf('bench', 'produce, consume'))),
    )
    .command('version', 'The version of this program', {}, () => choose(version))
}

const version: Command = ({ output }) => {
  if (output.format === 'table') output.text(VERSION)
  else output.json({ version: VERSION })
  return Promise.resolve(EXIT.ok)
}

function inTopic(y: Argv): Argv<{ topic: string | undefined }> {
  return y.option('topic', { type: 'string', requiresArg: true, describe: 'look only there' })
}

interface BenchFlags {
  readonly topic: string
  readonly n: string
  readonly bytes: string
  readonly concurrency: string
}

function benched(y: Argv): Argv<BenchFlags> {
  return y
    .option('topic', { type: 'string', requiresArg: true, default: 'bench', describe: 'created if there is none' })
    .option('n', { type: 'string', requiresArg: true, default: '100000', describe: 'messages, up to ten million' })
    .option('bytes', { type: 'string', requiresArg: true, default: '100', describe: 'of each value' })
    .option('concurrency', {
      type: 'string',
      requiresArg: true,
      default: '1000',
      describe: 'messages waiting for their answer at a time',
    })
}

function benchOf({ topic, n, bytes, concurrency }: BenchFlags): Parameters<typeof benchProduce>[0] {
  return {
    topic: nameOf(topic, '--topic', { reserved: false }),
    count: wholeOf(n, '-n', { min: 1, max: BENCH_MESSAGES_MAX }),
    bytes: wholeOf(bytes, '--bytes', { min: 0, max: MESSAGE_BYTES_MAX }),
    concurrency: wholeOf(concurrency, '--concurrency', { min: 1, max: BENCH_CALLERS_MAX }),
  }
}

const KNOWN = { reserved: true }
/** Their offsets are kept until the books are closed. */
const BENCH_MESSAGES_MAX = 10_000_000
const BENCH_CALLERS_MAX = 100_000

function topicOf(value: unknown): string | undefined {
  return value === undefined ? undefined : nameOf(value, '--topic', KNOWN)
}

function offsetOf(text: string): string {
  try {
    decodeOffset(text)
    return text
  } catch (error) {
    if (!(error instanceof SandglassError)) throw error
    throw new UsageError(`OFFSET ${text}: ${error.message}`)
  }
}
