/**
 * ListGroups and DescribeGroup span partitions of many leaders: the node that was asked asks the leader of each, and
 * joins the answers. A request that was passed on names the one partition it is meant for.
 */
import { SandglassError } from '../base/errors.ts'
import type { TopicInfo } from '../broker/directory.ts'
import type { Partition } from '../broker/partition.ts'
import { describeGroup, type GroupDescription, listGroups } from '../broker/reads.ts'
import type { GroupPartition, GroupRef } from '../wire/messages.ts'
import { checkDescribeGroup, checkListGroups } from '../wire/requests.ts'
import type { Init } from '../wire/wire.ts'
import type { Handlers } from './calls.ts'
import { atLeader } from './forwarding.ts'
import { DEFAULT_CHANNEL } from './produce.ts'
import type { CallContext, ServiceContext } from './service-context.ts'

/** Partitions asked at a time. */
const AT_ONCE = 16

export function groupMethods(context: ServiceContext): Pick<Handlers<'Queue'>, 'ListGroups' | 'DescribeGroup'> {
  const listed = context.wire.codec('ListGroupsResponse')
  const describedCodec = context.wire.codec('DescribeGroupResponse')
  return {
    async ListGroups(request, call) {
      checkListGroups(request)
      const topics = await topicsOf(context, request.topic, call)
      const found = new Map<string, Init<GroupRef>>()
      for (const topic of topics) {
        const raw = context.wire.codec('ListGroupsRequest').encode({ topic: topic.name })
        const answers = await eachPartition(context, { ...call, raw }, topic, {
          local: async (partition) => (await listGroups(partition)).map((name) => ({ topic: topic.name, ...name })),
          remote: (bytes) => listed.decode(bytes).groups,
        })
        for (const ref of answers.flat()) found.set(`${ref.topic}\n${ref.channel}\n${ref.group}`, ref)
      }
      return { groups: [...found.values()] }
    },
    async DescribeGroup(request, call) {
      checkDescribeGroup(request)
      const { group } = request
      const channel = request.channel === '' ? DEFAULT_CHANNEL : request.channel
      const topic = await context.broker.router.topic(request.topic, call.deadline)
      const answers = await eachPartition<readonly Init<GroupPartition>[]>(context, call, topic, {
        local: async (partition) => described(partition.info.id, await describeGroup(partition, { channel, group })),
        remote: (bytes) => describedCodec.decode(bytes).partitions,
      })
      const partitions = answers.flat()
      if (partitions.length === 0 && call.forwardedFor === undefined) {
        throw new SandglassError('GROUP_NOT_FOUND', `Cannot find group ${group}: channel ${channel} does not have it`)
      }
      return { topic: topic.name, channel, group, partitions }
    },
  }
}

async function topicsOf(context: ServiceContext, name: string, call: CallContext): Promise<readonly TopicInfo[]> {
  if (name !== '') return [await context.broker.router.topic(name, call.deadline)]
  return context.directory.topics().filter(({ kind }) => kind === 'timer')
}

interface Asking<T> {
  local(partition: Partition): Promise<T>
  remote(bytes: Buffer): T
}

/** Asks the leader of every partition (or of the one a passed-on call is for); answers in order of partition. */
async function eachPartition<T>(
  context: ServiceContext,
  call: CallContext,
  topic: TopicInfo,
  asking: Asking<T>,
): Promise<readonly T[]> {
  const { forwardedFor } = call
  const ids = forwardedFor === undefined ? topic.partitions.map(({ id }) => id) : [forwardedFor]
  const answers: T[] = []
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const asked = ids.slice(from, from + AT_ONCE).map(async (partition) => {
      const target = { topic: topic.name, partition, mutating: false }
      const answer = await atLeader(context, call, target, async (leader) => ({ value: await asking.local(leader) }))
      return Buffer.isBuffer(answer) ? asking.remote(answer) : answer.value
    })
    answers.push(...(await Promise.all(asked)))
  }
  return answers
}

function described(id: number, known: GroupDescription | undefined): readonly Init<GroupPartition>[] {
  if (known === undefined) return []
  const { consumed, committed, leased, waiting, due } = known
  return [
    {
      id,
      consumed: { dueMs: consumed.due, index: consumed.index },
      committed: { dueMs: committed.due, index: committed.index },
      leased,
      waiting,
      due,
    },
  ]
}
