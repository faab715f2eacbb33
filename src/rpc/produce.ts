/** Produce requests on the way in and out of the broker, shared by the unary call and the stream. */
import { SandglassError } from '../base/errors.ts'
import type { Answer } from '../broker/lane.ts'
import type { Partition } from '../broker/partition.ts'
import type { NewMessage, ProduceRequest, ProduceResponse } from '../wire/messages.ts'

export const DEFAULT_CHANNEL = 'master'

type Produce = Parameters<Partition['produce']>[0]

/** `request` has been checked. Bodies stay views into the frame: the broker encodes them at once. */
export function produceCommand(request: ProduceRequest<Uint8Array>): Produce {
  const { sequence } = request
  return {
    type: 'produce',
    messages: request.messages.map(newMessage),
    ...(sequence !== null && {
      sequence: { producer: Buffer.from(sequence.producerId).toString('latin1'), first: sequence.first },
    }),
  }
}

/** Throws what the answer says went wrong. */
export function produceResponse(answer: Answer): ProduceResponse {
  if (answer.type === 'failed') throw answer.error
  const { reply } = answer
  switch (reply.type) {
    case 'produced': {
      const { positions } = reply
      return { dueMs: positions.map((p) => p.due), index: positions.map((p) => p.index) }
    }
    case 'outOfSequence':
      throw new SandglassError('OUT_OF_SEQUENCE', `Cannot store the messages: sequence ${reply.expected} comes first`)
    case 'duplicate':
      throw new SandglassError('DUPLICATE', 'Cannot tell the offsets: the messages were stored long ago')
    case 'tooMany':
      throw new SandglassError('OVERLOADED', `Cannot store the messages: too many ${reply.what} on this partition`)
    default:
      throw new SandglassError('INTERNAL', `Cannot store the messages: unexpected ${reply.type}`)
  }
}

const NO_BODY = new Uint8Array(0)

function newMessage(message: NewMessage<Uint8Array>): Produce['messages'][number] {
  const channel = message.channel === '' ? DEFAULT_CHANNEL : message.channel
  const body = message.body ?? NO_BODY
  if (message.delayMs !== null) return { channel, body, delayMs: message.delayMs }
  if (message.deliverAtMs !== null) return { channel, body, deliverAt: message.deliverAtMs }
  return { channel, body }
}
