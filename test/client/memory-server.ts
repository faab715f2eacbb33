/**
 * One node that keeps everything in memory, behind a real gRPC server on 127.0.0.1: for what only a socket shows. It
 * knows due times, leases without end, redelivery on nack and lost sessions, and sequences; nothing of replication.
 */
import * as grpc from '@grpc/grpc-js'
import { SandglassError } from '../../src/base/errors.ts'
import { decodeOffset } from '../../src/base/offset.ts'
import { createErrorCodec, STATUS_DETAILS_KEY, toErrorMessage } from '../../src/wire/errors.ts'
import type { ProduceFrame, ProduceRequest, Topic } from '../../src/wire/messages.ts'
import { checkProduce } from '../../src/wire/queue-requests.ts'
import { checkCreateTopic } from '../../src/wire/requests.ts'
import { serviceDefinition } from '../../src/wire/services.ts'
import { createServerWire, type Init } from '../../src/wire/wire.ts'
import { type ConsumeCall, MemoryStream, type Part, type Server } from './memory-stream.ts'

const DAMAGE = [
  { node: 'n1', part: 'state', groups: [4, 5], reason: 'waits for a snapshot' },
  { node: 'n1', part: 'log', file: 'wal/2.wal', offset: 512, anyGroup: true, reason: 'it is torn' },
]

export interface MemoryServer {
  readonly addr: string
  readonly topics: Map<string, { readonly info: Topic; readonly parts: Part[] }>
  /** Breaks every consume stream as a dying node does. */
  breakStreams(): void
  /** Answers every unary call and frame with this, until undefined. */
  refuse: SandglassError | undefined
  /** Partitions of topics made from now on that have no leader, and nodes that they miss. */
  leaderless: readonly number[]
  missing: readonly string[]
  close(): void
}

export async function startMemoryServer(): Promise<MemoryServer> {
  const node = new Node()
  const server = new grpc.Server({ 'grpc.max_receive_message_length': 5 * 2 ** 20 })
  const wire = createServerWire()
  const errors = createErrorCodec(wire)
  const fail = (error: unknown): Partial<grpc.StatusObject> => {
    const status = errors.toStatus(error)
    const metadata = new grpc.Metadata()
    metadata.set(STATUS_DETAILS_KEY, status.details)
    return { code: status.code, details: status.message, metadata }
  }
  const unary =
    <Req, Res>(answer: (request: Req) => Res): grpc.handleUnaryCall<Req, Res> =>
    (call, done) => {
      try {
        if (node.refuse !== undefined) throw node.refuse
        done(null, answer(call.request))
      } catch (error) {
        done(fail(error))
      }
    }
  server.addService(serviceDefinition(wire, 'Topics'), {
    CreateTopic: unary((request: Server['CreateTopicRequest']) => node.create(request)),
    DescribeTopic: unary(({ name }: Server['DescribeTopicRequest']) => node.topic(name).info),
    ListTopics: unary(() => ({ topics: [...node.topics.keys()] })),
    DeleteTopic: unary(({ name }: Server['DeleteTopicRequest']) => {
      node.topic(name)
      node.topics.delete(name)
      return {}
    }),
  })
  server.addService(serviceDefinition(wire, 'Cluster'), {
    ListNodes: unary(() => ({ nodes: [{ name: 'n1', grpc: node.addr, alive: true, id: 1, version: '0.1.0' }] })),
    Status: unary(() => node.status()),
    TransferLeader: unary(() => ({})),
  })
  server.addService(serviceDefinition(wire, 'Queue'), {
    Produce: unary((request: Server['ProduceRequest']) => node.produce(request)),
    ProduceStream: (call: grpc.ServerDuplexStream<ProduceFrame<Uint8Array>, Init<Server['ProduceAnswer']>>) => {
      call.on('data', (frame) => call.write(node.answer(frame)))
      call.on('end', () => call.end())
    },
    Consume: (call: ConsumeCall) => {
      const stream = new MemoryStream((topic, partition) => node.part(topic, partition), call)
      call.on('data', (request) => stream.received(request))
      call.on('end', () => stream.close())
      call.on('cancelled', () => stream.close())
    },
    Fetch: unary(() => ({ messages: [], more: false })),
    GetMessage: unary((request: Server['GetMessageRequest']) => node.message(request)),
    ListGroups: unary(() => ({ groups: node.groups() })),
    DescribeGroup: unary((request: Server['DescribeGroupRequest']) => node.describeGroup(request)),
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  node.addr = `127.0.0.1:${port}`
  node.onClose = () => server.forceShutdown()
  return node
}

class Node implements MemoryServer {
  addr = ''
  refuse: SandglassError | undefined
  leaderless: readonly number[] = []
  missing: readonly string[] = []
  onClose: () => void = () => undefined
  readonly topics = new Map<string, { readonly info: Topic; readonly parts: Part[] }>()

  close(): void {
    this.breakStreams()
    this.onClose()
  }

  breakStreams(): void {
    for (const { parts } of this.topics.values())
      for (const part of parts) for (const stream of part.streams) stream.break()
  }

  create(request: Server['CreateTopicRequest']): Topic {
    checkCreateTopic(request)
    const { name, kind, partitions, replicationFactor } = request
    if (this.topics.has(name)) throw new SandglassError('TOPIC_EXISTS', `Cannot create ${name}: it exists`)
    const ids = Array.from({ length: partitions }, (_, id) => id)
    const led = (id: number) =>
      this.leaderless.includes(id) ? { leader: '', leaderGrpc: '' } : { leader: 'n1', leaderGrpc: this.addr }
    const parts = ids.map((id) => ({ id, ...led(id), replicas: ['n1'] }))
    const info = { name, kind, replicationFactor, partitions: parts, missing: [...this.missing] }
    const empty = (): Part => ({ stored: [], groups: new Map(), producers: new Map(), streams: new Set() })
    this.topics.set(name, { info, parts: ids.map(empty) })
    return info
  }

  topic(name: string): { readonly info: Topic; readonly parts: Part[] } {
    const topic = this.topics.get(name)
    if (topic === undefined) throw new SandglassError('TOPIC_NOT_FOUND', `Cannot find topic ${name}: there is none`)
    return topic
  }

  part(topic: string, partition: number): Part {
    const part = this.topic(topic).parts[partition]
    if (part === undefined) throw new SandglassError('INVALID', 'Cannot find the partition', { field: 'partition' })
    return part
  }

  produce(request: ProduceRequest<Uint8Array>): Server['ProduceResponse'] {
    const now = Date.now()
    checkProduce(request, now)
    const part = this.part(request.topic, request.partition)
    const response = { dueMs: [] as number[], index: [] as number[] }
    if (request.sequence !== null) {
      const producer = Buffer.from(request.sequence.producerId).toString('hex')
      const last = part.producers.get(producer) ?? 0
      if (request.sequence.first !== last + 1) throw new SandglassError('OUT_OF_SEQUENCE', 'Cannot produce: a gap')
      part.producers.set(producer, last + request.messages.length)
    }
    for (const { body, channel, delayMs, deliverAtMs } of request.messages) {
      const due = Math.max(now, delayMs === null ? (deliverAtMs ?? now) : now + delayMs)
      const index = part.stored.length + 1
      part.stored.push({ due, index, channel: channel || 'master', body: body ?? Buffer.alloc(0) })
      response.dueMs.push(due)
      response.index.push(index)
    }
    for (const stream of part.streams) stream.pump()
    return response
  }

  answer({ id, request }: ProduceFrame<Uint8Array>): Init<Server['ProduceAnswer']> {
    try {
      if (this.refuse !== undefined) throw this.refuse
      if (request === null) throw new SandglassError('INVALID', 'Cannot produce nothing')
      return { id, response: this.produce(request) }
    } catch (error) {
      return { id, error: toErrorMessage(error) }
    }
  }

  message({ topic, offset }: Server['GetMessageRequest']): Init<Server['GetMessageResponse']> {
    const { due, index, partition } = decodeOffset(offset)
    const stored = this.part(topic, partition).stored[index - 1]
    if (stored?.due !== due) throw new SandglassError('MESSAGE_NOT_FOUND', 'Cannot get the message: there is none')
    const message = { dueMs: due, index, channel: stored.channel, body: stored.body }
    return { message, state: due > Date.now() ? 1 : 2 }
  }

  groups(): { topic: string; channel: string; group: string }[] {
    const all = [...this.topics.values()].flatMap(({ parts }) => parts.flatMap((part) => [...part.groups.values()]))
    const unique = new Map(all.map((g) => [`${g.topic}/${g.channel}/${g.group}`, g]))
    return Array.from(unique.values(), ({ topic, channel, group }) => ({ topic, channel, group }))
  }

  describeGroup({ topic, channel, group }: Server['DescribeGroupRequest']): Init<Server['DescribeGroupResponse']> {
    const name = channel || 'master'
    const partitions = this.topic(topic).parts.flatMap((part, id) => {
      const found = part.groups.get(`${name}/${group}`)
      const consumed = { dueMs: 1, index: found?.done.size ?? 0 }
      return found === undefined
        ? []
        : [{ id, consumed, committed: consumed, leased: found.leased.size, waiting: 0, due: 0 }]
    })
    if (partitions.length === 0) throw new SandglassError('GROUP_NOT_FOUND', 'Cannot describe the group: there is none')
    return { topic, channel: name, group, partitions }
  }

  status(): Init<Server['StatusResponse']> {
    const partitions = [...this.topics.values()].flatMap(({ info, parts }) =>
      parts.map((part, id) => {
        const commit = part.stored.length
        return { topic: info.name, id, leader: 'n1', term: 1, commit, applied: [{ node: 'n1', index: commit }] }
      }),
    )
    return { clusterId: 'memory', nodes: [{ name: 'n1', grpc: this.addr, alive: true }], partitions, damage: DAMAGE }
  }
}
