/**
 * Method ProduceStream: pipelined frames, each stored whole or not at all, answered by id as they are decided. A frame for
 * a partition led elsewhere goes on as it is over one link per leader. The stream is read only while little is pending.
 */
import { invalid, type SandglassError } from '../base/errors.ts'
import { FRAME_BYTES_MAX } from '../base/limits.ts'
import type { Answer } from '../broker/lane.ts'
import type { Partition } from '../broker/partition.ts'
import type { Route } from '../broker/router.ts'
import type { ProduceAnswer, ProduceFrame, ProduceRequest } from '../wire/messages.ts'
import { checkProduce } from '../wire/queue-requests.ts'
import type { Codec } from '../wire/wire.ts'
import { decoded, failStream, type RawDuplex } from './calls.ts'
import { notLeader } from './forwarding.ts'
import { produceCommand, produceResponse } from './produce.ts'
import { ProduceLinks } from './produce-links.ts'
import type { ServiceContext } from './service-context.ts'
import type { OpenStream, StreamRegistry } from './stream-registry.ts'

/** A frame has no deadline of its own: how long it waits for a leader, ms. */
const LEADER_WAIT_MS = 1000
const PENDING_FRAMES_MAX = 1024
const PENDING_BYTES_MAX = 2 * FRAME_BYTES_MAX

/** The handler of ProduceStream. */
export function produceStream(context: ServiceContext, streams: StreamRegistry) {
  return (stream: RawDuplex, forwarded: boolean): void => new ProduceCall(context, streams, stream, forwarded).begin()
}

/** What is kept of a frame until it is answered. */
interface Pending {
  readonly id: number
  readonly bytes: number
  /** The frame itself is kept as well. */
  passing: boolean
}

interface Frame {
  readonly request: ProduceRequest<Uint8Array>
  readonly raw: Buffer
}

class ProduceCall implements OpenStream {
  readonly #context: ServiceContext
  readonly #streams: StreamRegistry
  readonly #stream: RawDuplex
  readonly #forwarded: boolean
  readonly #frames: Codec<ProduceFrame<Uint8Array>>
  readonly #answers: Codec<ProduceAnswer>
  readonly #links: ProduceLinks
  #pendingFrames = 0
  #pendingBytes = 0
  /** Of frames that are kept whole. */
  #passingBytes = 0
  #halfClosed = false
  #ending: SandglassError | undefined
  #over = false

  constructor(context: ServiceContext, streams: StreamRegistry, stream: RawDuplex, forwarded: boolean) {
    this.#context = context
    this.#streams = streams
    this.#stream = stream
    this.#forwarded = forwarded
    this.#frames = context.wire.codec('ProduceFrame')
    this.#answers = context.wire.codec('ProduceAnswer')
    this.#links = new ProduceLinks(context)
  }

  begin(): void {
    this.#stream.on('data', (raw: Buffer) => this.#frame(raw))
    this.#stream.on('drain', () => this.#flow())
    this.#stream.on('end', () => {
      this.#halfClosed = true
      this.#finishIfDone()
    })
    this.#stream.on('error', () => this.#gone())
    this.#stream.once('close', () => this.#gone())
    this.#streams.add(this)
  }

  /** Frames that were read are answered first; those on their way stay without an answer. */
  end(error: SandglassError): void {
    this.#ending = error
    this.#stream.pause()
    this.#finishIfDone()
  }

  #frame(raw: Buffer): void {
    let frame: ProduceFrame<Uint8Array>
    try {
      frame = decoded(this.#frames, raw)
    } catch (error) {
      const id = this.#frames.fault(raw).ids.get('id')
      if (id === undefined) failStream(this.#stream, this.#context, error)
      else this.#write({ id, error: this.#context.errors.toMessage(error) })
      return
    }
    const { id, request } = frame
    if (request === null) {
      this.#write({ id, error: this.#context.errors.toMessage(invalid('request', 'Cannot store: the frame is empty')) })
      return
    }
    this.#pendingFrames += 1
    this.#pendingBytes += raw.length
    this.#run({ id, bytes: raw.length, passing: false }, { request, raw })
    this.#flow()
  }

  #run(pending: Pending, frame: Frame): void {
    const { request } = frame
    try {
      checkProduce(request, this.#context.env.wallMs())
      const route = this.#context.broker.router.tryRoute(request.topic, request.partition)
      if (route === undefined) this.#runLater(pending, frame)
      else this.#runAt(route, pending, frame)
    } catch (error) {
      this.#refuse(pending, error)
    }
  }

  /** No leader is known yet. */
  #runLater(pending: Pending, frame: Frame): void {
    this.#keep(pending)
    const { env, broker } = this.#context
    const { topic, partition } = frame.request
    broker.router.route(topic, partition, env.monoMs() + LEADER_WAIT_MS).then(
      (route) => this.#runAt(route, pending, frame),
      (error: unknown) => this.#refuse(pending, error),
    )
  }

  #runAt(route: Route, pending: Pending, { raw, request }: Frame): void {
    if (route.type === 'local') this.#store(route.partition, pending, produceCommand(request))
    else if (this.#forwarded) this.#refuse(pending, notLeader(route.node))
    else {
      this.#keep(pending)
      this.#links.send(route.node, { id: pending.id, raw, partition: request.partition }, (answer) => {
        if (answer.type === 'answered') this.#answered(pending, answer.raw)
        else this.#refuse(pending, answer.error)
      })
    }
  }

  /** The broker has copied the frame when this returns: what waits for the answer refers to nothing of it. */
  #store(partition: Partition, pending: Pending, command: ReturnType<typeof produceCommand>): void {
    const done = (answer: Answer) => {
      try {
        const response = produceResponse(answer)
        this.#answered(pending, this.#answers.encode({ id: pending.id, response }))
      } catch (error) {
        this.#refuse(pending, error)
      }
    }
    partition.produce(command, done, () => !this.#over)
  }

  /** It is kept whole from here on to its answer. */
  #keep(pending: Pending): void {
    if (pending.passing) return
    pending.passing = true
    this.#passingBytes += pending.bytes
    this.#context.budgets.passing.take(pending.bytes)
  }

  #refuse(pending: Pending, error: unknown): void {
    this.#answered(pending, this.#answers.encode({ id: pending.id, error: this.#context.errors.toMessage(error) }))
  }

  #answered(pending: Pending, answer: Buffer): void {
    this.#pendingFrames -= 1
    this.#pendingBytes -= pending.bytes
    if (pending.passing) {
      this.#passingBytes -= pending.bytes
      this.#context.budgets.passing.giveBack(pending.bytes)
    }
    if (!this.#over) this.#stream.write(answer)
    this.#flow()
    this.#finishIfDone()
  }

  #write(answer: Parameters<Codec<ProduceAnswer>['encode']>[0]): void {
    if (!this.#over) this.#stream.write(this.#answers.encode(answer))
  }

  /** Reads on only while little is pending and answers get away. */
  #flow(): void {
    const much = this.#pendingFrames >= PENDING_FRAMES_MAX || this.#pendingBytes >= PENDING_BYTES_MAX
    const crowded = this.#passingBytes > 0 && this.#context.budgets.passing.fullFor(this.#passingBytes)
    if (much || crowded || this.#ending !== undefined || this.#stream.writableNeedDrain) this.#stream.pause()
    else if (this.#stream.isPaused()) this.#stream.resume()
  }

  #finishIfDone(): void {
    if (this.#pendingFrames > 0 || this.#over) return
    if (this.#ending !== undefined) failStream(this.#stream, this.#context, this.#ending)
    else if (this.#halfClosed) {
      this.#over = true
      this.#stream.end()
    }
  }

  #gone(): void {
    this.#over = true
    this.#streams.delete(this)
    this.#links.close()
  }
}
