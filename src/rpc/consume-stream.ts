/**
 * Method Consume: one stream is one session on one partition. The first frame subscribes; at the leader the stream drives
 * a session of the broker, elsewhere its frames are passed on as they are. The consumer's frames are read only while
 * answers get away.
 */
import { invalid, SandglassError } from '../base/errors.ts'
import { ENTRY_MESSAGES_MAX } from '../base/limits.ts'
import type { NodeInfo } from '../broker/directory.ts'
import type { Partition } from '../broker/partition.ts'
import type { Session } from '../broker/session.ts'
import { SERVICES, type Subscribe } from '../wire/messages.ts'
import { checkSubscribe } from '../wire/queue-requests.ts'
import { decoded, type RawDuplex } from './calls.ts'
import { notLeader } from './forwarding.ts'
import { passThrough } from './pass-through.ts'
import type { ServiceContext } from './service-context.ts'
import { itemsOf, readFrame, runFrame, sessionSpec } from './session-frames.ts'
import type { OpenStream, StreamRegistry } from './stream-registry.ts'
import { StreamSink } from './stream-sink.ts'

/** A stream has no deadline of its own: how long it waits for a leader, ms. */
const LEADER_WAIT_MS = 1000

/** The handler of Consume. */
export function consumeStream(context: ServiceContext, streams: StreamRegistry) {
  return (stream: RawDuplex, forwarded: boolean): void => new ConsumeCall(context, streams, stream, forwarded).begin()
}

class ConsumeCall implements OpenStream {
  readonly #context: ServiceContext
  readonly #streams: StreamRegistry
  readonly #stream: RawDuplex
  readonly #forwarded: boolean
  readonly #sink: StreamSink
  #session: Session | undefined
  #over = false

  constructor(context: ServiceContext, streams: StreamRegistry, stream: RawDuplex, forwarded: boolean) {
    this.#context = context
    this.#streams = streams
    this.#stream = stream
    this.#forwarded = forwarded
    this.#sink = new StreamSink(stream, context, {
      onSettled: () => this.#settled(),
      onRoom: () => {
        this.#stream.resume()
        this.#session?.drained()
      },
    })
  }

  begin(): void {
    this.#stream.once('data', (first: Buffer) => {
      this.#stream.pause()
      this.#subscribe(first).catch((error: unknown) => this.#fail(error))
    })
    this.#stream.once('close', () => this.#gone())
    this.#stream.on('error', () => this.#gone())
    this.#streams.add(this)
  }

  end(error: SandglassError): void {
    if (this.#session === undefined) this.#fail(error)
    else this.#session.end(error)
  }

  async #subscribe(first: Buffer): Promise<void> {
    const { env, broker } = this.#context
    const { subscribe } = decoded(this.#context.wire.codec('ConsumeRequest'), first)
    if (subscribe === null) throw invalid('subscribe', 'Cannot consume: the first frame must subscribe')
    checkSubscribe(subscribe)
    const deadline = env.monoMs() + LEADER_WAIT_MS
    while (!this.#over) {
      const route = await broker.router.route(subscribe.topic, subscribe.partition, deadline)
      if (route.type === 'remote' && this.#forwarded) throw notLeader(route.node)
      try {
        if (route.type === 'local') return await this.#attach(route.partition, subscribe, deadline)
        return await this.#passOn(route.node, subscribe.partition, first, deadline)
      } catch (error) {
        const passing =
          error instanceof SandglassError && (error.reason === 'NOT_LEADER' || error.reason === 'UNREACHABLE')
        if (!passing || this.#forwarded || !(await broker.router.pause(deadline))) throw error
      }
    }
  }

  async #attach(partition: Partition, subscribe: Subscribe, deadline: number): Promise<void> {
    const { broker, wire } = this.#context
    await broker.router.ready(partition, deadline)
    if (this.#over) return
    const session = partition.subscribe(sessionSpec(subscribe, broker.config.leaseMs), this.#sink)
    this.#session = session
    const codec = wire.codec('ConsumeRequest')
    this.#stream.on('data', (frame: Buffer) => {
      try {
        const request = readFrame(codec, this.#sink, frame)
        if (request !== undefined) {
          runFrame(session, this.#sink, request)
          if (itemsOf(request) >= ENTRY_MESSAGES_MAX) this.#breathe()
        }
      } catch (error) {
        this.#fail(error)
      }
      if (!this.#sink.hasRoom()) this.#stream.pause()
    })
    this.#stream.on('end', () => {
      this.#sink.closing = true
      this.#settled()
    })
    this.#stream.resume()
  }

  /** A frame of so many places was enough for one turn: the next is read in another. */
  #breathe(): void {
    this.#stream.pause()
    this.#context.env.endOfTurn(() => {
      // Without room the stream is resumed once there is some.
      if (!this.#over && this.#sink.hasRoom()) this.#stream.resume()
    })
  }

  async #passOn(node: NodeInfo, partition: number, first: Buffer, deadline: number): Promise<void> {
    const link = await this.#context.channels.stream(node, SERVICES.Queue.Consume.path, { partition, deadline })
    link.write(first)
    passThrough(this.#stream, link, this.#context.budgets, () => {
      this.#fail(new SandglassError('UNREACHABLE', `Cannot go on: the connection to node ${node.name} broke`))
    })
    if (this.#over) link.cancel()
  }

  /** After a half-close the last answer ends the session. */
  #settled(): void {
    if (!this.#sink.closing || this.#sink.asked > 0 || this.#over) return
    this.#over = true
    this.#session?.close(true)
    this.#sink.finish()
  }

  #fail(error: unknown): void {
    if (this.#over) return
    this.#over = true
    this.#session?.close(false)
    this.#sink.end(error)
  }

  #gone(): void {
    this.#streams.delete(this)
    this.#over = true
    this.#sink.abandon()
    this.#session?.close(false)
  }
}
