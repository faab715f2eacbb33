/** Service Topics: what the catalog knows, and changes to it. */
import { SandglassError } from '../base/errors.ts'
import { type TopicInfo, topicNotFound } from '../broker/directory.ts'
import { answerBy } from '../broker/router.ts'
import { type Topic, TopicKind } from '../wire/messages.ts'
import { checkCreateTopic, checkTopicName } from '../wire/requests.ts'
import type { Init } from '../wire/wire.ts'
import type { Handlers } from './calls.ts'
import type { CallContext, ServiceContext } from './service-context.ts'

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
      await everyPartitionHasLeader(context, topic, call)
      return topicMessage(context, topic)
    },
    async DescribeTopic(request, call) {
      checkTopicName(request)
      return topicMessage(context, await broker.router.topic(request.name, call.deadline))
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

/** At the deadline the topic is there all the same; its missing leaders are seen in the answer. */
async function everyPartitionHasLeader(context: ServiceContext, topic: TopicInfo, call: CallContext): Promise<void> {
  const { broker, directory, env } = context
  const until = answerBy(env, call.deadline)
  while (topic.partitions.some(({ group }) => directory.leaderOf(group) === 0)) {
    if (!(await broker.router.pause(until))) return
    const first = directory.topic(topic.name)?.partitions[0]?.group
    if (first !== topic.partitions[0]?.group) throw topicNotFound(topic.name)
  }
}

function topicMessage({ directory }: ServiceContext, topic: TopicInfo): Init<Topic> {
  const nameOf = (node: number) => directory.node(node)?.name ?? ''
  return {
    name: topic.name,
    kind: topic.kind === 'kv' ? TopicKind.KV : TopicKind.TIMER,
    replicationFactor: topic.replicationFactor,
    partitions: topic.partitions.map(({ id, group, replicas }) => {
      const leader = directory.leaderOf(group)
      return {
        id,
        leader: nameOf(leader),
        replicas: replicas.map(({ node }) => nameOf(node)),
        leaderGrpc: directory.node(leader)?.grpc ?? '',
      }
    }),
  }
}
