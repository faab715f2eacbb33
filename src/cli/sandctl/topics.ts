// sandctl topics create | list | describe | delete
import { createTopics, type NewTopic, type TopicDescription } from '../../client/topics.ts'
import { type Command, type Context, connected } from './context.ts'
import { EXIT } from './exit.ts'

export function createTopic(topic: NewTopic): Command {
  return (context) =>
    connected(context, async (core) => {
      show(context, await createTopics(core.calls, () => undefined).create(topic))
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

function show({ output }: Context, topic: TopicDescription): void {
  const partitions = topic.partitions.map(({ id, leader, replicas }) => ({ id, leader: leader ?? null, replicas }))
  if (output.format !== 'table') {
    const { name, kind, replicationFactor } = topic
    output.json({ name, kind, partitions, replicationFactor })
    return
  }
  output.text(
    `${topic.name}: ${topic.kind}, ${partitions.length} partitions, replication factor ${topic.replicationFactor}`,
  )
  output.table(
    ['PARTITION', 'LEADER', 'REPLICAS'],
    partitions.map(({ id, leader, replicas }) => [id, leader, replicas.join(',')]),
  )
}
