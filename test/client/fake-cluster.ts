/**
 * A cluster behind the client's Transport, in virtual time: one topic of a few partitions, whose leader keeps sequences
 * and leases as the real one does, and which a test may break in all the ways a network and its nodes break.
 */
import { invalid, SandglassError } from '../../src/base/errors.ts'
import type { ConsumeLink, LinkEvents, ProduceLink, Transport } from '../../src/client/transport.ts'
import type { ConsumeResponse, ProduceAnswer, ProduceFrame, ProduceRequest } from '../../src/wire/messages.ts'
import type { Init } from '../../src/wire/wire.ts'
import type { VirtualTime } from '../virtual-env.ts'

export type Fault =
  | 'none'
  /** The answer never comes, the link stays open. */
  | 'stored-silent'
  | 'lost-silent'
  | 'stored-broken'
  | 'lost-broken'
  | 'stored-unknown'
  | 'overloaded'
  | 'no-quorum'

interface Partition {
  readonly stored: string[]
  readonly producers: Map<string, { last: number; readonly index: Map<number, number> }>
}

export interface Seen {
  readonly addr: string
  readonly producer: string
  readonly first: number
  readonly values: readonly string[]
  readonly atMs: number
}

const LATENCY_MS = 2

export class FakeCluster implements Transport {
  readonly #time: VirtualTime
  readonly partitions: readonly Partition[]
  readonly frames: Seen[] = []
  /** Undefined: none. */
  leader: string | undefined = 'a:1'
  /** What topic look-ups say; undefined: the truth. */
  staleLeader: string | undefined
  /** Whether NOT_LEADER names the leader. */
  hints = true
  /** Addresses that refuse connections. */
  readonly down = new Set<string>()
  fault: () => Fault = () => 'none'
  /** A message that is refused, and with it its frame. */
  refused: string | undefined
  lookups = 0
  topicExists = true

  constructor(time: VirtualTime, partitions = 1) {
    this.#time = time
    this.partitions = Array.from({ length: partitions }, () => ({ stored: [], producers: new Map() }))
  }

  async call(addr: string, _service: unknown, method: unknown): Promise<never> {
    await new Promise<void>((resolve) => this.#time.after(LATENCY_MS, resolve))
    if (this.down.has(addr)) throw new SandglassError('UNREACHABLE', `Cannot reach ${addr}`)
    if (method !== 'DescribeTopic') throw new SandglassError('UNSUPPORTED', `Cannot call ${String(method)}`)
    this.lookups++
    if (!this.topicExists) throw new SandglassError('TOPIC_NOT_FOUND', 'Cannot describe the topic: there is none')
    const leaderGrpc = this.staleLeader ?? this.leader ?? ''
    const partitions = this.partitions.map((_, id) => ({ id, leader: leaderGrpc, replicas: [], leaderGrpc }))
    return { name: 't', kind: 1, replicationFactor: 1, partitions } as never
  }

  produce(addr: string, events: LinkEvents<ProduceAnswer>): ProduceLink {
    let open = true
    const end = (error: SandglassError): void => {
      if (open) events.ended(error)
      open = false
    }
    const later = (run: () => void): void => void this.#time.after(LATENCY_MS, run)
    if (this.down.has(addr)) later(() => end(new SandglassError('UNREACHABLE', `Cannot reach ${addr}`)))
    return {
      send: (frame) =>
        later(() => {
          if (!open || this.down.has(addr)) return
          const { answer, broken } = this.#handle(addr, frame)
          later(() => {
            if (broken) end(new SandglassError('COMMIT_UNKNOWN', 'Cannot go on: connection lost'))
            else if (open && answer !== undefined) events.message(answer)
          })
        }),
      finish: () => undefined,
      cancel: () => {
        open = false
      },
    }
  }

  consume(_addr: string, _events: LinkEvents<ConsumeResponse>): ConsumeLink {
    throw new Error('this cluster only stores')
  }

  close(): void {
    this.leader = undefined
  }

  #handle(addr: string, frame: Init<ProduceFrame>): { answer?: ProduceAnswer; broken?: boolean } {
    const { id = 0, request } = frame
    if (request === undefined || request === null) throw new Error('a frame has a request')
    this.frames.push(this.#seen(addr, request))
    if (addr !== this.leader) {
      const leader = this.hints ? (this.leader ?? '') : ''
      return { answer: refusal(id, new SandglassError('NOT_LEADER', 'Cannot produce: not the leader', { leader })) }
    }
    const fault = this.fault()
    if (fault === 'lost-silent') return {}
    if (fault === 'lost-broken') return { broken: true }
    if (fault === 'overloaded') return { answer: refusal(id, new SandglassError('OVERLOADED', 'Cannot produce: full')) }
    if (fault === 'no-quorum') return { answer: refusal(id, new SandglassError('NO_QUORUM', 'Cannot produce: alone')) }
    const bad = this.#seen('', request).values.indexOf(this.refused ?? '')
    if (bad >= 0) return { answer: refusal(id, invalid(`messages[${bad}].delay_ms`, 'Cannot take delay_ms')) }
    const answer = this.#store(id, request)
    if (fault === 'stored-silent') return {}
    if (fault === 'stored-broken') return { broken: true }
    if (fault === 'stored-unknown') return { answer: refusal(id, new SandglassError('COMMIT_UNKNOWN', 'Cannot tell')) }
    return { answer }
  }

  /** The rule of architecture §6: last+1 is stored, up to last is answered, beyond is refused. */
  #store(id: number, request: Init<ProduceRequest>): ProduceAnswer {
    const partition = this.partitions[request.partition ?? 0]
    const { producer, first, values } = this.#seen('', request)
    if (partition === undefined) throw new Error('the client knows the partitions')
    const known = partition.producers.get(producer) ?? { last: 0, index: new Map<number, number>() }
    partition.producers.set(producer, known)
    if (first > known.last + 1)
      return refusal(id, new SandglassError('OUT_OF_SEQUENCE', `Cannot: ${known.last} was last`))
    const index: number[] = []
    for (const [at, value] of values.entries()) {
      if (first + at > known.last) {
        known.last = first + at
        known.index.set(known.last, partition.stored.length)
        partition.stored.push(value)
      }
      index.push(known.index.get(first + at) ?? -1)
    }
    return { id, response: { index, dueMs: index.map(() => 1000) }, error: null }
  }

  #seen(addr: string, request: Init<ProduceRequest>): Seen {
    return {
      addr,
      producer: Buffer.from(request.sequence?.producerId ?? []).toString('hex'),
      first: request.sequence?.first ?? 0,
      values: (request.messages ?? []).map((m) => Buffer.from(m.body?.value ?? []).toString()),
      atMs: this.#time.nowMs,
    }
  }
}

function refusal(id: number, error: SandglassError): ProduceAnswer {
  const { reason, message, field = '', leader = '' } = error
  return { id, response: null, error: { reason, message, field, leader } }
}
