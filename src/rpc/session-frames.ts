/** What a consumer's frames mean for its session. */
import { invalid } from '../base/errors.ts'
import type { Session, SessionSpec } from '../broker/session.ts'
import { type Ack, type ConsumeRequest, type Extend, type Nack, Start, type Subscribe } from '../wire/messages.ts'
import { checkAck, checkCredit, checkExtend, checkNack } from '../wire/queue-requests.ts'
import type { Codec } from '../wire/wire.ts'
import { decoded } from './calls.ts'
import { DEFAULT_CHANNEL } from './produce.ts'
import type { StreamSink } from './stream-sink.ts'

/** `subscribe` has been checked. `leaseMs`: the node's default. */
export function sessionSpec(subscribe: Subscribe, leaseMs: number): SessionSpec {
  const { channel, group, consumer, credit, endless, holds } = subscribe
  const named = subscribe.leaseMs === 0 ? leaseMs : subscribe.leaseMs
  return {
    channel: channel === '' ? DEFAULT_CHANNEL : channel,
    group,
    consumer,
    session: Buffer.from(subscribe.session).toString('hex'),
    leaseMs: endless ? Number.POSITIVE_INFINITY : named,
    credit,
    start: { type: subscribe.start === Start.LATEST ? 'latest' : 'earliest' },
    ...(subscribe.reattach && { holds: holds.map(({ index, fence }) => ({ index, fence })) }),
  }
}

/** undefined: a request that cannot be read and was refused by its id. Throws INVALID when it cannot be answered by itself. */
export function readFrame(codec: Codec<ConsumeRequest>, sink: StreamSink, bytes: Buffer): ConsumeRequest | undefined {
  try {
    return decoded(codec, bytes)
  } catch (error) {
    const { ids } = codec.fault(bytes)
    const id = SETTLING_IDS.map((field) => ids.get(field)).find((known) => known !== undefined)
    if (id === undefined) throw error
    sink.asked += 1
    sink.refused(id, error)
    return undefined
  }
}

const SETTLING_IDS = ['ack.id', 'nack.id', 'extend.id']

/** Deliveries that it settles. */
export function itemsOf({ ack, nack, extend }: ConsumeRequest): number {
  return (ack ?? nack ?? extend)?.index.length ?? 0
}

/** Throws INVALID for a frame that cannot be answered by itself. */
export function runFrame(session: Session, sink: StreamSink, request: ConsumeRequest): void {
  const { ack, nack, extend, credit, mark } = request
  if (ack !== null) settling(sink, ack, checkAck, () => session.ack(ack.id, held(ack)))
  else if (nack !== null) settling(sink, nack, checkNack, () => session.nack(nack.id, nacked(nack)))
  else if (extend !== null) {
    settling(sink, extend, checkExtend, () => session.extend(extend.id, held(extend), extend.leaseMs))
  } else if (credit !== null) {
    checkCredit(credit)
    session.addCredit(credit.more)
  } else if (mark !== null) session.marked(mark.id)
  else throw invalid('', 'Cannot go on: a frame must ask for something known, and subscribe only once')
}

/** A mistake in one request fails that request, not the stream. */
function settling<T extends { readonly id: number }>(
  sink: StreamSink,
  request: T,
  check: (request: T) => void,
  run: () => void,
): void {
  sink.asked += 1
  try {
    check(request)
    run()
  } catch (error) {
    sink.refused(request.id, error)
  }
}

function held({ index, fence }: Ack | Extend): { index: number; fence: number }[] {
  return index.map((i, at) => ({ index: i, fence: fence[at] ?? 0 }))
}

function nacked(nack: Nack): Parameters<Session['nack']>[1] {
  const { delayMs, keepPlace, reason } = nack
  return nack.index.map((index, at) => ({ index, fence: nack.fence[at] ?? 0, delayMs, keepPlace, reason }))
}
