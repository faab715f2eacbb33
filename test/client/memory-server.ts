/**
 * One node that keeps everything in memory, behind a real gRPC server on 127.0.0.1: for what only a socket shows. It
 * knows due times, leases without end, redelivery on nack and lost sessions, and sequences; nothing of replication.
 */
import * as grpc from '@grpc/grpc-js'
import { SandglassError } from '../../src/base/errors.ts'
import { decodeOffset } from '../../src/base/offset.ts'
import { createErrorCodec, STATUS_DETAILS_KEY, toErrorMessage } from '../../src/wire/errors.ts'
import type { ConsumeRequest, Messages, ProduceFrame, ProduceRequest, Topic } from '../../src/wire/messages.ts'
import { checkProduce, checkSubscribe } from '../../src/wire/queue-requests.ts'
import { checkCreateTopic } from '../../src/wire/requests.ts'
import { serviceDefinition } from '../../src/wire/services.ts'
import { createServerWire, type Init } from '../../src/wire/wire.ts'

type Server = Messages<Uint8Array>

interface Stored {
  readonly due: number
  readonly index: number
  readonly channel: string
  readonly body: Uint8Array
}

interface Group {
  readonly topic: string
  readonly channel: string
  readonly group: string
  readonly counts: Map<number, number>
  readonly leased: Map<number, number>
  readonly done: Set<number>
}

interface Part {
  readonly stored: Stored[]
  readonly groups: Map<string, Group>
  readonly producers: Map<string, number>
  readonly streams: Set<Stream>
}

export interface MemoryServer {
  readonly addr: string
  readonly topics: Map<string, { readonly info: Topic; readonly parts: Part[] }>
  /** Breaks every consume stream as a dying node does. */
  breakStreams(): void
  /** Answers every unary call and frame with this, until undefined. */
  refuse: SandglassError | undefined
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
    Consume: (call: grpc.ServerDuplexStream<ConsumeRequest, Init<Server['ConsumeResponse']>>) => {
      const stream = new Stream(node, call)
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
    const parts = ids.map((id) => ({ id, leader: 'n1', replicas: ['n1'], leaderGrpc: this.addr }))
    const info = { name, kind, replicationFactor, partitions: parts }
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
    return { clusterId: 'memory', nodes: [{ name: 'n1', grpc: this.addr, alive: true }], partitions }
  }
}

class Stream {
  readonly #node: Node
  readonly #call: grpc.ServerDuplexStream<ConsumeRequest, Init<Server['ConsumeResponse']>>
  #part: Part | undefined
  #group: Group | undefined
  /** Fence by message index. */
  readonly #held = new Map<number, number>()
  #credit = 0
  #mark = 0
  #timer: NodeJS.Timeout | undefined
  #toldCaughtUp = false

  constructor(node: Node, call: grpc.ServerDuplexStream<ConsumeRequest, Init<Server['ConsumeResponse']>>) {
    this.#node = node
    this.#call = call
  }

  received(request: ConsumeRequest): void {
    if (request.subscribe !== null) this.#subscribe(request.subscribe)
    else if (request.mark !== null) this.#echo(request.mark.id)
    else if (request.ack !== null) this.#settle(request.ack, (group, index) => group.done.add(index))
    else if (request.nack !== null) this.#settle(request.nack, () => undefined)
    else if (request.extend !== null) this.#call.write({ settled: { id: request.extend.id, lost: [] } })
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#part?.streams.delete(this)
    for (const [index, fence] of this.#held)
      if (this.#group?.leased.get(index) === fence) this.#group.leased.delete(index)
    for (const other of this.#part?.streams ?? []) other.pump()
    this.#call.end()
  }

  /** The stream is lost and nobody told this node: its leases stay. */
  break(): void {
    clearTimeout(this.#timer)
    this.#held.clear()
    this.#part?.streams.delete(this)
    this.#call.emit('error', { code: grpc.status.UNAVAILABLE, details: 'broken' })
  }

  pump(): void {
    if (this.#group === undefined || this.#part === undefined) return
    clearTimeout(this.#timer)
    const { counts, leased, done, channel } = this.#group
    const now = Date.now()
    const open = this.#part.stored
      .filter((m) => m.channel === channel && !done.has(m.index) && !leased.has(m.index))
      .sort((a, b) => a.due - b.due || a.index - b.index)
    const due = open.filter((m) => m.due <= now)
    const room = due.slice(0, this.#credit - this.#held.size)
    const deliveries = room.map(({ due: dueMs, index, body }) => {
      const fence = nextFence(this.#group)
      const count = (counts.get(index) ?? 0) + 1
      counts.set(index, count)
      leased.set(index, fence)
      this.#held.set(index, fence)
      return { dueMs, index, fence, count, body }
    })
    if (deliveries.length > 0) {
      this.#toldCaughtUp = false
      this.#call.write({ deliveries: { deliveredMs: now, leaseMs: 30_000, mark: this.#mark, deliveries } })
    }
    if (room.length === due.length && !this.#toldCaughtUp) {
      this.#toldCaughtUp = true
      this.#call.write({ caughtUp: { atMs: now } })
    }
    const next = open[due.length]
    if (next !== undefined) this.#timer = setTimeout(() => this.pump(), Math.min(next.due - now, 60_000))
  }

  #subscribe(request: NonNullable<ConsumeRequest['subscribe']>): void {
    try {
      checkSubscribe(request)
      const part = this.#node.part(request.topic, request.partition)
      const channel = request.channel || 'master'
      const key = `${channel}/${request.group}`
      const { topic, group: name } = request
      const group = part.groups.get(key) ?? {
        topic,
        channel,
        group: name,
        counts: new Map(),
        leased: new Map(),
        done: new Set(),
      }
      part.groups.set(key, group)
      this.#part = part
      this.#group = group
      this.#credit = request.credit
      const kept = request.holds.filter(({ index, fence }) => group.leased.get(index) === fence)
      if (request.reattach) {
        group.leased.clear()
        for (const { index, fence } of kept) {
          group.leased.set(index, fence)
          this.#held.set(index, fence)
        }
      }
      part.streams.add(this)
      this.#call.write({ subscribed: { cursor: { dueMs: 0, index: 0 }, kept } })
      this.pump()
    } catch (error) {
      this.#call.write({ end: toErrorMessage(error) })
      this.#call.end()
    }
  }

  #echo(id: number): void {
    this.#mark = id
    this.#call.write({ mark: { id } })
  }

  #settle(
    { id, index, fence }: { readonly id: number; readonly index: readonly number[]; readonly fence: readonly number[] },
    done: (group: Group, index: number) => void,
  ): void {
    const lost: number[] = []
    for (const [place, at] of index.entries()) {
      if (this.#group === undefined || this.#group.leased.get(at) !== fence[place]) lost.push(place)
      else {
        this.#group.leased.delete(at)
        this.#held.delete(at)
        done(this.#group, at)
      }
    }
    this.#call.write({ settled: { id, lost } })
    this.pump()
  }
}

function nextFence(group: Group | undefined): number {
  return [...(group?.counts.values() ?? [])].reduce((sum, n) => sum + n, 1)
}
