// The command line of sandctl topics.
import type { Argv } from 'yargs'
import { PARTITIONS_MAX, REPLICATION_FACTOR_MAX } from '../../base/limits.ts'
import { type Choose, oneOf } from './flags.ts'
import { createTopic, deleteTopic, describeTopic, listTopics } from './topics.ts'
import { nameOf, textOf, wholeOf } from './values.ts'

/** `sandctl topics ...` */
export function topicCommands(parser: Argv, choose: Choose): Argv {
  return parser.command('topics', 'Create, list, describe or delete topics', (y) =>
    y
      .command(
        'create <name>',
        'Create a topic; answers when every partition has a leader (exit code 3: created, some have none yet)',
        (c) =>
          named(c)
            .option('num-partitions', {
              alias: 'partitions',
              type: 'string',
              requiresArg: true,
              demandOption: true,
              describe: 'from 1 to 1024; fixed for the life of the topic',
            })
            .option('replication-factor', {
              type: 'string',
              requiresArg: true,
              demandOption: true,
              describe: 'nodes that keep each partition, from 1 to 7: 3 survive the loss of one',
            })
            .option('kind', {
              choices: ['timer', 'kv'] as const,
              default: 'timer' as const,
              describe: 'kv is not there yet',
            })
            .example('$0 topics create emails --num_partitions 3 --replication_factor 3', '')
            .example('$0 topics create notes --num_partitions 1 --replication_factor 1 -o json', ''),
        (a) =>
          choose(
            createTopic({
              name: nameOf(a.name, 'NAME', { reserved: false }),
              partitions: wholeOf(a.numPartitions, '--num-partitions', { min: 1, max: PARTITIONS_MAX }),
              replicationFactor: wholeOf(a.replicationFactor, '--replication-factor', RF),
              kind: textOf(a.kind, '--kind') === 'kv' ? 'kv' : 'timer',
            }),
          ),
      )
      .command(
        'list',
        'Names of all topics',
        (c) => c.example('$0 topics list', ''),
        () => choose(listTopics()),
      )
      .command(
        'describe <name>',
        'Partitions, leaders and replicas',
        (c) => named(c).example('$0 topics describe emails -o json', ''),
        (a) => choose(describeTopic(nameOf(a.name, 'NAME', { reserved: true }))),
      )
      .command(
        'delete <name>',
        'Delete a topic and all its messages',
        (c) => named(c).example('$0 topics delete emails', 'at once and for ever'),
        (a) => choose(deleteTopic(nameOf(a.name, 'NAME', { reserved: true }))),
      )
      .command('$0', false, {}, () => choose(oneOf('topics', 'create, list, describe, delete'))),
  )
}

const RF = { min: 1, max: REPLICATION_FACTOR_MAX }

function named(y: Argv): Argv<{ name: string }> {
  return y.positional('name', { type: 'string', demandOption: true, describe: 'of the topic' })
}
