// The command lines of sandctl produce and consume.
import type { Argv } from 'yargs'
import { consume } from './consume.ts'
import { durationOf, timeOf } from './context.ts'
import { UsageError } from './exit.ts'
import { type Choose, count } from './flags.ts'
import { produce } from './produce.ts'

/** `sandctl produce`; `rest`: what stands behind `--`. */
export function produceCommand(parser: Argv, choose: Choose, rest: readonly string[]): Argv {
  return parser.command(
    'produce <topic> [payload]',
    'Store messages',
    (y) =>
      y
        .positional('topic', { type: 'string', demandOption: true, describe: 'where to store it' })
        .positional('payload', { type: 'string', describe: 'the value, as text; after -- if it begins with -' })
        .option('number', { alias: 'n', type: 'number', default: 1, describe: 'store the payload this many times' })
        .option('file', {
          type: 'string',
          describe: 'JSON lines {"value","key"?,"delayMs"?|"at"?,"channel"?,"headers"?}; - is stdin',
        })
        .option('delay', { type: 'string', describe: 'due after, as in 10s' })
        .option('at', { type: 'string', describe: 'due at: RFC 3339 or ms since 1970' })
        .option('key', { type: 'string', describe: 'decides the partition: equal keys share one' })
        .option('channel', { type: 'string', describe: 'sub-queue of the topic [master]' })
        .option('partition', { type: 'number', describe: 'from 0; without it and a key they go round' })
        .conflicts('delay', 'at')
        .conflicts('payload', 'file')
        .example('$0 produce emails \'{"to": "hi@example.com"}\' --delay 10s', 'due in ten seconds')
        .example('$0 produce emails hello --at 2030-01-31T08:00:00Z -o jsonl', 'prints its offset')
        .example('$0 produce emails --file tasks.jsonl -o json', 'prints how many were stored'),
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
          default: 'sandctl',
          describe: 'each group gets every message once',
        })
        .option('name', { alias: 'consumer-name', type: 'string', describe: 'default: random' })
        .option('channel', { type: 'string', describe: 'sub-queue of the topic [master]' })
        .option('partition', { type: 'number', describe: 'only this one; default: all' })
        .option('limit', { type: 'number', describe: 'end after this many' })
        .option('lease', { type: 'string', describe: 'as in 30s; default: the node decides' })
        .option('ack', { type: 'boolean', default: true, describe: '--no-ack leaves them to be delivered again' })
        .example('$0 consume -f emails', 'go on until Ctrl-C')
        .example('$0 consume emails --group mailer --limit 10 -o jsonl', 'ten of them, with offset and times')
        .example('$0 consume emails --no-ack --lease 5s', 'look at them; others get them again after 5 s'),
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
