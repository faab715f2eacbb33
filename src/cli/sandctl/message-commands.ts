// The command lines of sandctl produce and consume.
import type { Argv } from 'yargs'
import { DELAY_MS_MAX, KEY_BYTES_MAX, PARTITIONS_MAX } from '../../base/limits.ts'
import { consume } from './consume.ts'
import { UsageError } from './exit.ts'
import type { Choose } from './flags.ts'
import { produce } from './produce.ts'
import { dueOf, durationOf, nameOf, textOf, wholeOf } from './values.ts'

/** `sandctl produce`; `rest`: what stands behind `--`. */
export function produceCommand(parser: Argv, choose: Choose, rest: readonly string[]): Argv {
  return parser.command(
    'produce <topic> [payload]',
    'Store messages',
    (y) =>
      y
        .positional('topic', { type: 'string', demandOption: true, describe: 'where to store it' })
        .positional('payload', { type: 'string', describe: 'the value, as text; after -- if it begins with -' })
        .option('number', {
          alias: 'n',
          type: 'string',
          requiresArg: true,
          default: '1',
          describe: 'store the payload this many times',
        })
        .option('file', {
          type: 'string',
          requiresArg: true,
          describe: 'JSON lines {"value","key"?,"delayMs"?|"at"?,"channel"?,"headers"?}; - is stdin',
        })
        .option('delay', { type: 'string', requiresArg: true, describe: 'due after, as in 10s' })
        .option('at', { type: 'string', requiresArg: true, describe: 'due at: RFC 3339 or ms since 1970' })
        .option('key', { type: 'string', requiresArg: true, describe: 'decides the partition: equal keys share one' })
        .option('channel', { type: 'string', requiresArg: true, describe: 'sub-queue of the topic [master]' })
        .option('partition', {
          type: 'string',
          requiresArg: true,
          describe: 'from 0; without it and a key they go round',
        })
        .conflicts('delay', 'at')
        .conflicts('payload', 'file')
        .example('$0 produce emails \'{"to": "hi@example.com"}\' --delay 10s', 'due in ten seconds')
        .example('$0 produce emails hello --at 2030-01-31T08:00:00Z -o jsonl', 'prints its offset')
        .example('$0 produce emails --file tasks.jsonl -o json', 'prints how many were stored'),
    (a) => {
      const topic = nameOf(a.topic, 'TOPIC', KNOWN)
      const file = textOf(a.file, '--file')
      const [payload, ...more] = a.payload === undefined ? rest : [a.payload, ...rest]
      if (more.length > 0 || (payload !== undefined && file !== undefined))
        throw new UsageError('One PAYLOAD or --file is needed')
      const defaults = {
        key: keyOf(a.key),
        channel: a.channel === undefined ? undefined : nameOf(a.channel, '--channel', { reserved: false }),
        partition: partitionOf(a.partition),
        delayMs: a.delay === undefined ? undefined : durationOf(a.delay, '--delay', { min: 0, max: DELAY_MS_MAX }),
        deliverAt: a.at === undefined ? undefined : dueOf(a.at, '--at', Date.now()),
      }
      choose(produce({ topic, payload, file, count: wholeOf(a.number, '-n', { min: 0, max: MANY }), defaults }))
    },
  )
}

/** `sandctl consume` */
export function consumeCommand(parser: Argv, choose: Choose): Argv {
  return parser.command(
    'consume <topic>',
    'Print messages that are due and acknowledge them',
    (y) =>
      y
        .positional('topic', { type: 'string', demandOption: true, describe: 'what to consume' })
        .option('follow', { alias: 'f', type: 'boolean', default: false, describe: 'go on when nothing more is due' })
        .option('group', {
          alias: 'consumer-group',
          type: 'string',
          requiresArg: true,
          default: 'sandctl',
          describe: 'each group gets every message once',
        })
        .option('name', { alias: 'consumer-name', type: 'string', requiresArg: true, describe: 'default: random' })
        .option('channel', { type: 'string', requiresArg: true, describe: 'sub-queue of the topic [master]' })
        .option('partition', { type: 'string', requiresArg: true, describe: 'only this one; default: all' })
        .option('limit', { type: 'string', requiresArg: true, describe: 'end after this many' })
        .option('lease', { type: 'string', requiresArg: true, describe: 'as in 30s; default: the node decides' })
        .option('ack', { type: 'boolean', default: true, describe: '--no-ack leaves them to be delivered again' })
        .example('$0 consume -f emails', 'go on until Ctrl-C')
        .example('$0 consume emails --group mailer --limit 10 -o jsonl', 'ten of them, with offset and times')
        .example('$0 consume emails --no-ack --lease 5s', 'look at them; others get them again after 5 s'),
    (a) => {
      const channel = a.channel === undefined ? undefined : nameOf(a.channel, '--channel', KNOWN)
      const partition = partitionOf(a.partition)
      const consumer = {
        topic: nameOf(a.topic, 'TOPIC', KNOWN),
        group: nameOf(a.group, '--group', { reserved: false }),
        name: a.name === undefined ? undefined : nameOf(a.name, '--name', { reserved: false }),
        channel,
        partitions: partition === undefined ? undefined : [partition],
        leaseMs: a.lease === undefined ? undefined : durationOf(a.lease, '--lease', { min: 1, max: DELAY_MS_MAX }),
      }
      const limit = a.limit === undefined ? undefined : wholeOf(a.limit, '--limit', { min: 1, max: MANY })
      choose(consume({ consumer, channel: channel ?? 'master', follow: a.follow, limit, ack: a.ack }))
    },
  )
}

const KNOWN = { reserved: true }
const MANY = Number.MAX_SAFE_INTEGER

function partitionOf(value: unknown): number | undefined {
  return value === undefined ? undefined : wholeOf(value, '--partition', { min: 0, max: PARTITIONS_MAX - 1 })
}

function keyOf(value: unknown): string | undefined {
  const key = textOf(value, '--key')
  if (Buffer.byteLength(key ?? '') > KEY_BYTES_MAX) throw new UsageError(`--key: at most ${KEY_BYTES_MAX} bytes`)
  return key
}
