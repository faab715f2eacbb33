/** Service Queue: the unary methods. The streams have files of their own. */
import { decodeOffset } from '../base/offset.ts'
import type { Answer } from '../broker/lane.ts'
import { fetchMessages, getMessage } from '../broker/reads.ts'
import { type FetchRequest, type GetMessageRequest, MessageState } from '../wire/messages.ts'
import { checkProduce } from '../wire/queue-requests.ts'
import { checkFetch, checkGetMessage, FETCH_LIMIT_DEFAULT } from '../wire/requests.ts'
import type { Handlers } from './calls.ts'
import { consumeStream } from './consume-stream.ts'
import { atLeader } from './forwarding.ts'
import { groupMethods } from './group-methods.ts'
import { DEFAULT_CHANNEL, produceCommand, produceResponse } from './produce.ts'
import { produceStream } from './produce-stream.ts'
import { pullMethod } from './pull-method.ts'
import type { CallContext, ServiceContext } from './service-context.ts'
import { settleMethods } from './settle-methods.ts'
import type { StreamRegistry } from './stream-registry.ts'

type Queue = Handlers<'Queue'>

export function queueHandlers(context: ServiceContext, streams: StreamRegistry): Queue {
  return {
    Produce: produce(context),
    ProduceStream: produceStream(context, streams),
    Consume: consumeStream(context, streams),
    Fetch: (request, call) => fetch(context, request, call),
    GetMessage: (request, call) => message(context, request, call),
    ...pullMethod(context, streams),
    ...settleMethods(context),
    ...groupMethods(context),
  }
}

function produce(context: ServiceContext): Queue['Produce'] {
  return (request, call) => {
    checkProduce(request, context.env.wallMs())
    const target = { topic: request.topic, partition: request.partition, mutating: true }
    return atLeader(context, call, target, (partition) => {
      return new Promise((resolve, reject) => {
        const done = (answer: Answer) => {
          try {
            resolve(produceResponse(answer))
          } catch (error) {
            reject(error)
          }
        }
        partition.produce(produceCommand(request), done, call.wanted)
      })
    })
  }
}

const fetch = async (context: ServiceContext, request: FetchRequest, call: CallContext) => {
  checkFetch(request)
  const target = { topic: request.topic, partition: request.partition, mutating: false }
  return atLeader(context, call, target, async (partition) => {
    const fetched = await fetchMessages(partition, {
      channel: request.channel === '' ? DEFAULT_CHANNEL : request.channel,
      ...(request.from !== null && { from: { due: request.from.dueMs, index: request.from.index } }),
      ...(request.to !== null && { to: { due: request.to.dueMs, index: request.to.index } }),
      limit: request.limit === 0 ? FETCH_LIMIT_DEFAULT : request.limit,
    })
    const messages = fetched.messages.map(({ due, index, channel, body }) => ({ dueMs: due, index, channel, body }))
    return { messages, more: fetched.more }
  })
}

const STATES = { scheduled: MessageState.SCHEDULED, due: MessageState.DUE, fired: MessageState.FIRED } as const

const message = async (context: ServiceContext, request: GetMessageRequest, call: CallContext) => {
  checkGetMessage(request)
  const { due, index, partition } = decodeOffset(request.offset)
  const target = { topic: request.topic, partition, mutating: false }
  return atLeader(context, call, target, async (leader) => {
    const found = await getMessage(leader, { due, index })
    const { channel, body } = found.message
    return { message: { dueMs: due, index, channel, body }, state: STATES[found.state] }
  })
}
