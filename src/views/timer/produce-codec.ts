/**
 * The produce command as bytes. Channel names stand once in front; each message is one number (channel and how its due
 * time is told), the time if there is one, and its body, which is copied exactly once here and never again.
 */
import { assert } from '../../base/assert.ts'
import { DUE_MS_MAX } from '../../base/limits.ts'
import type { ByteReader, ByteWriter } from './bytes.ts'
import type { NewMessage, ProduceCommand, ProducerSequence } from './commands.ts'

const NOW = 0
const DELAY = 1
const AT = 2
/** Tag, time and length of one message, nearly always enough. */
const MESSAGE_OVERHEAD = 8

/** About how many bytes the command takes. */
export function produceBytes(command: ProduceCommand): number {
  let bytes = 256
  for (const message of command.messages) bytes += message.body.length + MESSAGE_OVERHEAD
  return bytes
}

export function encodeProduce(out: ByteWriter, command: ProduceCommand): void {
  out.number(command.sequence?.first ?? 0)
  if (command.sequence !== undefined) {
    assert(command.sequence.first >= 1, 'sequences begin at 1')
    out.latin1(command.sequence.producer)
  }
  const channels = channelNumbers(command.messages)
  out.number(channels.size)
  for (const name of channels.keys()) out.latin1(name)
  out.number(command.messages.length)
  let at = 0
  for (const message of command.messages) {
    const tag = (channels.get(message.channel) ?? 0) * 4
    if (message.deliverAt !== undefined) {
      assert(message.deliverAt >= 0 && message.deliverAt <= DUE_MS_MAX, 'due times fit 48 bits')
      out.number(tag + AT)
      out.signed(message.deliverAt - at)
      at = message.deliverAt
    } else if (message.delayMs !== undefined) {
      out.number(tag + DELAY)
      out.number(message.delayMs)
    } else {
      out.number(tag + NOW)
    }
    out.bytes(message.body)
  }
}

export function decodeProduce(input: ByteReader): ProduceCommand {
  const first = input.number()
  const sequence: ProducerSequence | undefined = first === 0 ? undefined : { producer: input.latin1(), first }
  const names: string[] = []
  const nameCount = input.count()
  for (let i = 0; i < nameCount; i++) names.push(input.latin1())
  const messages = readMessages(input, names)
  return sequence === undefined ? { type: 'produce', messages } : { type: 'produce', sequence, messages }
}

function readMessages(input: ByteReader, names: readonly string[]): NewMessage[] {
  const messages: NewMessage[] = []
  const count = input.count()
  let at = 0
  for (let i = 0; i < count; i++) {
    const tag = input.number()
    const channel = names[tag >>> 2]
    assert(channel !== undefined, 'a produced message names a channel of its command')
    const kind = tag & 3
    if (kind === AT) {
      at += input.signed()
      messages.push({ channel, deliverAt: at, body: input.bytes() })
    } else if (kind === DELAY) {
      const delayMs = input.number()
      messages.push({ channel, delayMs, body: input.bytes() })
    } else {
      messages.push({ channel, body: input.bytes() })
    }
  }
  return messages
}

/** In order of first use. */
function channelNumbers(messages: readonly NewMessage[]): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>()
  let last: string | undefined
  for (const { channel } of messages) {
    if (channel === last) continue
    last = channel
    if (!numbers.has(channel)) numbers.set(channel, numbers.size)
  }
  return numbers
}
