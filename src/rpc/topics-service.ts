/** Service Topics: what the catalog knows, and changes to it. */
import { SandglassError } from '../base/errors.ts'
import type { NodeId } from '../base/ids.ts'
import { Slice } from '../base/slice.ts'
import { type NodeInfo, type TopicInfo, topicNotFound } from '../broker/directory.ts'
import { answerBy } from '../broker/router.ts'
import { type Partition, type Topic, TopicKind } from '../wire/messages.ts'
import { checkCreateTopic, checkTopicName } from '../wire/requests.ts'
import type { Init } from '../wire/wire.ts'
import type { Handlers } from './calls.ts'
import type { CallContext, ServiceContext } from './service-context.ts'

/** Each asks who leads of everybody who may know. */
const PARTITIONS_PER_LOOK = 16

export function topicsHandlers(context: ServiceContext): Handlers<'Topics'> {
  const { broker, directory } = context
  return {
    async CreateTopic(request, call) {
      checkCreateTopic(request)
      const { name, partitions, replicationFactor } = request
      if (request.kind === TopicKind.KV) {
        throw new SandglassError('UNSUPPORTED', `Cannot create topic ${request.name}: kind kv is not there yet`)
      }
      const left = timeLeft(context, call)
      const topic = await directory.createTopic({ name, partitions, replicationFactor, kind: 'timer' }, left)
      const until = answerBy(context.env, call.deadline)
      for (;;) {
        await everyPartitionHasLeader(context, topic, until)
        const message = await topicMessage(context, topic)
        // One that changed hands meanwhile is between two leaders, not without one.
        if (message.partitions?.every(({ leader }) => leader !== '')) return message
        if (!(await broker.router.pause(until))) return message
      }
    },
    async DescribeTopic(request, call) {
      checkTopicName(request)
      return await topicMessage(context, await broker.router.topic(request.name, call.deadline))
    },
    async ListTopics(_request, call) {
      await directory.refresh(timeLeft(context, call))
      return { topics: directory.topics().map(({ name }) => name) }
    },
    async DeleteTopic(request, call) {
      checkTopicName(request)
      await directory.deleteTopic(request.name, timeLeft(context, call))
      return {}
    },
  }
}

function timeLeft({ env }: ServiceContext, call: CallContext): number {
  return Math.max(0, answerBy(env, call.deadline) - env.monoMs())
}

/**
 * Waits until each partition has had a leader, one after the other: each change is asked of the first that has none, and not
 * of all. At the deadline the topic is there all the same; its missing leaders are seen in the answer.
 */
async function everyPartitionHasLeader(context: ServiceContext, topic: TopicInfo, until: number): Promise<void> {
  const { broker, directory, env } = context
  const slice = new Slice(env, PARTITIONS_PER_LOOK)
  for (const { group } of topic.partitions) {
    while (directory.leaderOf(group) === 0) {
      if (!(await broker.router.pause(until))) return
      const first = directory.topic(topic.name)?.partitions[0]?.group
      if (first !== topic.partitions[0]?.group) throw topicNotFound(topic.name)
    }
    if (slice.spent()) await slice.rest()
  }
}

/** In slices of the event loop: a topic may have a thousand partitions. */
async function topicMessage({ env, directory }: ServiceContext, topic: TopicInfo): Promise<Init<Topic>> {
  const nodes = new Map<NodeId, NodeInfo | undefined>()
  const nodeOf = (node: NodeId) => {
    if (!nodes.has(node)) nodes.set(node, directory.node(node))
    return nodes.get(node)
  }
  const partitions: Init<Partition>[] = []
  const carrying = new Set<NodeId>()
  const slice = new Slice(env, PARTITIONS_PER_LOOK)
  for (const { id, group, replicas } of topic.partitions) {
    const leader = nodeOf(directory.leaderOf(group))
    const names = replicas.map(({ node }) => nodeOf(node)?.name ?? '')
    partitions.push({ id, leader: leader?.name ?? '', replicas: names, leaderGrpc: leader?.grpc ?? '' })
    for (const { node } of replicas) carrying.add(node)
    if (slice.spent()) await slice.rest()
  }
  const missing = Array.from(carrying, nodeOf).flatMap((node) => (node?.alive === false ? [node.name] : []))
  const { name, kind, replicationFactor } = topic
  return { name, kind: kind === 'kv' ? TopicKind.KV : TopicKind.TIMER, replicationFactor, partitions, missing }
}
