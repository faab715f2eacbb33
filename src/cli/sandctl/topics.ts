// sandctl topics create | list | describe | delete
import { SandglassError } from '../../base/errors.ts'
import { createTopics, type NewTopic, type TopicDescription } from '../../client/topics.ts'
import { type Command, type Context, connected } from './context.ts'
import { EXIT } from './exit.ts'

export function createTopic(topic: NewTopic): Command {
  return (context) =>
    connected(context, async (core) => {
      const created = await createTopics(core.calls, () => undefined).create(topic)
      show(context, created)
      const leaderless = created.partitions.filter(({ leader }) => leader === undefined).map(({ id }) => id)
      if (leaderless.length > 0) throw noLeaderYet(topic.name, leaderless)
      return EXIT.ok
    })
}

export function describeTopic(name: string): Command {
  return (context) =>
    connected(context, async (core) => {
      show(context, await createTopics(core.calls, () => undefined).describe(name))
      return EXIT.ok
    })
}

export function listTopics(): Command {
  return (context) =>
    connected(context, async (core) => {
      const topics = await createTopics(core.calls, () => undefined).list()
      if (context.output.format === 'table') for (const topic of topics) context.output.text(topic)
      else context.output.json({ topics })
      return EXIT.ok
    })
}

export function deleteTopic(name: string): Command {
  return (context) =>
    connected(context, async (core) => {
      await createTopics(core.calls, () => undefined).delete(name)
      if (context.output.format === 'table') context.output.text(`deleted ${name}`)
      else context.output.json({ name, deleted: true })
      return EXIT.ok
    })
}

/** How many partitions a line names. */
const NAMED_MAX = 10

function noLeaderYet(topic: string, partitions: readonly number[]): SandglassError {
  const some = partitions.slice(0, NAMED_MAX).join(', ')
  const which = partitions.length > NAMED_MAX ? `${some} and ${partitions.length - NAMED_MAX} more` : some
  const of = partitions.length === 1 ? 'partition' : 'partitions'
  return new SandglassError('NO_QUORUM', `Topic ${topic} is created, no leader yet: ${of} ${which}`)
}

function show({ output }: Context, topic: TopicDescription): void {
  const partitions = topic.partitions.map(({ id, leader, replicas }) => ({ id, leader: leader ?? null, replicas }))
  const { missing } = topic
  if (output.format !== 'table') {
    const { name, kind, replicationFactor } = topic
    output.json({ name, kind, partitions, replicationFactor, missing })
    return
  }
  output.text(
    `${topic.name}: ${topic.kind}, ${partitions.length} partitions, replication factor ${topic.replicationFactor}`,
  )
  output.table(
    ['PARTITION', 'LEADER', 'REPLICAS'],
    partitions.map(({ id, leader, replicas }) => [id, leader, replicas.join(',')]),
  )
  if (missing.length > 0)
    output.text(`missing: ${missing.join(', ')}; what they carry is kept by the others until they are back`)
}
