/** The sending side of the service `sandglass.v1.Control`: one channel for each peer, opened when first needed. */
import { Client, credentials } from '@grpc/grpc-js'
import { SandglassError } from '../../base/errors.ts'
import type { NodeId } from '../../base/ids.ts'
import { targetOf } from '../../wire/channels.ts'
import { CHANNEL_OPTIONS } from '../peer/link.ts'
import { encodeHandshake } from '../peer/wire.ts'
import { controlMethods, OUTCOME, type UnaryMethod } from './proto.ts'
import type { ControlClient, ControlProposeOutcome, ControlReadOutcome, LeaderReport } from './types.ts'

export interface ControlClientOptions {
  readonly clusterId: string
  readonly node: NodeId
  /** host:port of a peer's peer port now; undefined: not known. */
  readonly address: (node: NodeId) => string | undefined
}

export interface GrpcControlClient extends ControlClient {
  close(): void
}

export function createControlClient(options: ControlClientOptions): GrpcControlClient {
  return new GrpcControl(options)
}

interface Channel {
  readonly address: string
  readonly client: Client
}

class GrpcControl implements GrpcControlClient {
  readonly #options: ControlClientOptions
  readonly #methods = controlMethods()
  readonly #channels = new Map<NodeId, Channel>()

  constructor(options: ControlClientOptions) {
    this.#options = options
  }

  async propose(to: NodeId, command: Uint8Array, timeoutMs: number): Promise<ControlProposeOutcome> {
    const answer = await this.#call(to, this.#methods.Propose, { command }, timeoutMs)
    if (answer.outcome === OUTCOME.DONE) return { type: 'applied', index: answer.index, reply: answer.reply }
    return answer.outcome === OUTCOME.REFUSED ? { type: 'refused', leader: answer.leader } : { type: 'unknown' }
  }

  async readIndex(to: NodeId, timeoutMs: number): Promise<ControlReadOutcome> {
    const answer = await this.#call(to, this.#methods.ReadIndex, {}, timeoutMs)
    return answer.outcome === OUTCOME.DONE
      ? { type: 'ok', index: answer.index }
      : { type: 'refused', leader: answer.leader }
  }

  async report(to: NodeId, report: LeaderReport, timeoutMs: number): Promise<void> {
    await this.#call(to, this.#methods.Report, report, timeoutMs)
  }

  close(): void {
    for (const { client } of this.#channels.values()) client.close()
    this.#channels.clear()
  }

  #call<Q, A>(to: NodeId, method: UnaryMethod<Q, A>, request: Q, timeoutMs: number): Promise<A> {
    return new Promise((resolve, reject) => {
      const { clusterId, node } = this.#options
      this.#client(to).makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        encodeHandshake({ clusterId, from: node, to }),
        { deadline: Date.now() + timeoutMs },
        (error, answer) => {
          if (error === null && answer !== undefined) resolve(answer)
          else reject(error)
        },
      )
    })
  }

  #client(to: NodeId): Client {
    const address = this.#options.address(to)
    if (address === undefined)
      throw new SandglassError('UNREACHABLE', `Cannot reach node ${to}: its address is unknown`)
    const open = this.#channels.get(to)
    if (open?.address === address) return open.client
    open?.client.close()
    const client = new Client(targetOf(address), credentials.createInsecure(), CHANNEL_OPTIONS)
    this.#channels.set(to, { address, client })
    return client
  }
}
