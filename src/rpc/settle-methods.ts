/** Ack, Nack and Extend as single calls, for clients without a stream; they settle what any delivery of the group gave. */
import { SandglassError } from '../base/errors.ts'
import type { Answer } from '../broker/lane.ts'
import { settleRefusal } from '../broker/session.ts'
import type { SettleCommand } from '../broker/settle-parts.ts'
import type { AckRequest, SettleResponse } from '../wire/messages.ts'
import { checkAck, checkExtend, checkNack } from '../wire/queue-requests.ts'
import { checkSettlePlace } from '../wire/requests.ts'
import type { Init } from '../wire/wire.ts'
import type { Handlers } from './calls.ts'
import { atLeader } from './forwarding.ts'
import { DEFAULT_CHANNEL } from './produce.ts'
import type { CallContext, ServiceContext } from './service-context.ts'

type Place = Pick<AckRequest, 'topic' | 'partition' | 'channel' | 'group'>
type Named = Pick<AckRequest, 'index' | 'fence'>

export function settleMethods(context: ServiceContext): Pick<Handlers<'Queue'>, 'Ack' | 'Nack' | 'Extend'> {
  return {
    async Ack(request, call) {
      checkSettlePlace(request)
      checkAck(request)
      return settle(context, call, request, { type: 'ack', ...groupOf(request), items: held(request) })
    },
    async Nack(request, call) {
      checkSettlePlace(request)
      checkNack(request)
      const { delayMs, keepPlace, reason } = request
      const items = held(request).map((item) => ({ ...item, delayMs, keepPlace, reason }))
      return settle(context, call, request, { type: 'nack', ...groupOf(request), items })
    },
    async Extend(request, call) {
      checkSettlePlace(request)
      checkExtend(request)
      const { leaseMs } = request
      return settle(context, call, request, { type: 'extend', ...groupOf(request), leaseMs, items: held(request) })
    },
  }
}

function settle(
  context: ServiceContext,
  call: CallContext,
  { topic, partition }: Place,
  command: SettleCommand,
): Promise<Init<SettleResponse> | Buffer> {
  return atLeader(context, call, { topic, partition, mutating: true }, (leader) => {
    return new Promise((resolve, reject) => {
      const done = (answer: Answer) => {
        const settled = answer.type === 'reply' && answer.reply.type === 'settled' ? answer.reply : undefined
        if (settled === undefined) reject(settleRefusal(answer))
        else if (settled.lost.length === command.items.length) reject(leaseLost(command))
        else resolve({ lost: settled.lost })
      }
      // Who acked or gave back was done with the messages, whether or not it still waits: that spares a delivery or a wait.
      // An extend that nobody heard of would only keep them from the others.
      leader.settle(command, done, command.type === 'extend' ? call.wanted : undefined)
    })
  })
}

function leaseLost({ type, items }: SettleCommand): SandglassError {
  const what = items.length === 1 ? 'its lease is not current' : 'none of the leases is current'
  return new SandglassError('LEASE_LOST', `Cannot ${type} the delivery: ${what}`)
}

function groupOf({ channel, group }: Place): { channel: string; group: string } {
  return { channel: channel === '' ? DEFAULT_CHANNEL : channel, group }
}

function held({ index, fence }: Named): { index: number; fence: number }[] {
  return index.map((i, at) => ({ index: i, fence: fence[at] ?? 0 }))
}
