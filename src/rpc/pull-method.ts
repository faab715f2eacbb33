/**
 * Method Pull: a long poll. With a partition it runs at that partition's leader. Without one the asked node goes round:
 * every partition once, its own first, then it waits on all of its own at a time and looks at the others between.
 */
import { SandglassError } from '../base/errors.ts'
import type { Partition } from '../broker/partition.ts'
import { type Pull, type PullOutcome, type PullSpec, PullTurn } from '../broker/pull.ts'
import { answerBy } from '../broker/router.ts'
import { type PullRequest, type PullResponse, Start } from '../wire/messages.ts'
import { checkPull, PULL_MESSAGES_DEFAULT } from '../wire/requests.ts'
import type { Init } from '../wire/wire.ts'
import type { Handlers } from './calls.ts'
import { atLeader } from './forwarding.ts'
import { DEFAULT_CHANNEL } from './produce.ts'
import type { CallContext, ServiceContext } from './service-context.ts'
import type { StreamRegistry } from './stream-registry.ts'

type Response = PullResponse<Uint8Array>
type Answer = Init<Response> | Buffer

/** Between two looks at partitions led elsewhere: the first, and the longest. */
const ROUND_MS_MIN = 250
const ROUND_MS_MAX = 1000
/** One that does not want to wait still waits this long for a group that is at its bounds or a store being read. */
const IMPATIENT_MS_MAX = 1000
const SESSION_BYTES = 16
/** Instead of a time: answers as soon as it is known that nothing is due. */
const IMPATIENT = 0

interface Looked {
  readonly answer?: Answer
  readonly refusal?: unknown
}

export function pullMethod(context: ServiceContext, streams: StreamRegistry): Pick<Handlers<'Queue'>, 'Pull'> {
  // Where the next round begins, so that a partition that always has something does not hide the others.
  let rounds = 0
  return {
    async Pull(request, call) {
      checkPull(request)
      const puller = new Puller(context, streams, request, call)
      if (request.partition !== null) return puller.at(request.partition, call.raw, request.waitMs)
      rounds += 1
      return puller.anywhere(rounds)
    },
  }
}

class Puller {
  readonly #context: ServiceContext
  readonly #streams: StreamRegistry
  readonly #request: PullRequest
  readonly #call: CallContext
  /** What is under way, to be ended with the call. */
  readonly #open = new Set<() => void>()
  #gone = false

  constructor(context: ServiceContext, streams: StreamRegistry, request: PullRequest, call: CallContext) {
    this.#context = context
    this.#streams = streams
    this.#request = request
    this.#call = call
    call.onCancel(() => {
      this.#gone = true
      for (const cancel of this.#open) cancel()
    })
  }

  /** `raw`: the request as it is passed on if another node leads the partition. */
  async at(partition: number, raw: Buffer, waitMs: number): Promise<Answer> {
    const { topic } = this.#request
    const until = this.#context.env.monoMs() + waitMs
    const opened: (() => void)[] = []
    const onCancel = (cancel: () => void) => {
      opened.push(cancel)
      this.#opened(cancel)
    }
    try {
      const target = { topic, partition, mutating: true }
      return await atLeader(this.#context, { ...this.#call, raw, onCancel }, target, (leader) => {
        return this.#here(leader, waitMs === 0 ? IMPATIENT : until)
      })
    } finally {
      for (const cancel of opened) this.#open.delete(cancel)
    }
  }

  async anywhere(round: number): Promise<Answer> {
    const { env, broker } = this.#context
    const { topic, waitMs } = this.#request
    const { partitions } = await broker.router.topic(topic, this.#call.deadline)
    const from = round % partitions.length
    const ids = [...partitions.slice(from), ...partitions.slice(0, from)].map(({ id }) => id)
    const until = Math.min(env.monoMs() + waitMs, answerBy(env, this.#call.deadline))
    let looked = await this.#lookAt([...this.#own(ids).map(({ info }) => info.id), ...this.#others(ids)])
    for (let roundMs = ROUND_MS_MIN; !this.#gone && looked.answer === undefined; roundMs *= 2) {
      const rest = until - env.monoMs()
      if (rest <= 0) break
      // It may have been deleted since: then nothing of it is due ever again.
      await broker.router.topic(topic, this.#call.deadline)
      const own = this.#own(ids)
      const answer = await this.#waitHere(own, env.monoMs() + Math.min(rest, roundMs, ROUND_MS_MAX))
      looked = answer === undefined ? await this.#lookAt(this.#others(ids)) : { answer }
      if (own.length > 0 && looked.answer === undefined) looked = {}
    }
    if (looked.answer !== undefined) return looked.answer
    if (looked.refusal !== undefined) throw looked.refusal
    return {}
  }

  #opened(cancel: () => void): void {
    this.#open.add(cancel)
    if (this.#gone) cancel()
  }

  #own(ids: readonly number[]): Partition[] {
    const { router } = this.#context.broker
    return ids.flatMap((id) => {
      const route = router.tryRoute(this.#request.topic, id)
      return route?.type === 'local' && route.partition.now() !== undefined ? [route.partition] : []
    })
  }

  #others(ids: readonly number[]): number[] {
    const own = new Set(this.#own(ids).map(({ info }) => info.id))
    return ids.filter((id) => !own.has(id))
  }

  /** One after another, without waiting, until one has something. `refusal`: not one of them could be asked. */
  async #lookAt(ids: readonly number[]): Promise<Looked> {
    const { broker, wire } = this.#context
    const request = wire.codec('PullRequest')
    let refusal: unknown
    let asked = 0
    for (const partition of ids) {
      if (this.#gone) return {}
      try {
        if (broker.router.tryRoute(this.#request.topic, partition) === undefined) throw noLeader(partition)
        const raw = request.encode({ ...this.#request, partition, waitMs: 0 })
        const answer = await this.at(partition, raw, 0)
        if (this.#hasSome(answer)) return { answer }
        asked += 1
      } catch (error) {
        // The others may have something.
        if (this.#isFinal(error)) throw error
        refusal = error
      }
    }
    return asked > 0 ? {} : { refusal }
  }

  /** On all of them at a time; only one gives. */
  async #waitHere(own: readonly Partition[], until: number): Promise<Answer | undefined> {
    const { router } = this.#context.broker
    if (own.length === 0) {
      while (!this.#isOver() && (await router.pause(until)));
      return undefined
    }
    const turn = new PullTurn()
    const answers = await Promise.allSettled(own.map((partition) => this.#here(partition, until, turn)))
    for (const answer of answers) {
      if (answer.status === 'fulfilled' && this.#hasSome(answer.value)) return answer.value
    }
    const over = answers.find((answer) => answer.status === 'rejected' && this.#isFinal(answer.reason))
    if (over?.status === 'rejected') throw over.reason
    return undefined
  }

  /** Nobody waits any more, or there is nothing left to wait for. */
  #isOver(): boolean {
    const { broker, directory } = this.#context
    return this.#gone || broker.router.closed || directory.topic(this.#request.topic) === undefined
  }

  /** No other partition will have another answer. */
  #isFinal(error: unknown): boolean {
    if (!(error instanceof SandglassError) || error.reason === 'TOPIC_NOT_FOUND') return true
    return this.#context.broker.router.closed
  }

  #hasSome(answer: Answer): boolean {
    const response = Buffer.isBuffer(answer) ? this.#context.wire.codec('PullResponse').decode(answer) : answer
    return (response.deliveries?.length ?? 0) > 0
  }

  /** `until`: monotonic ms. */
  async #here(partition: Partition, until: number, turn?: PullTurn): Promise<Init<Response>> {
    const { env, broker } = this.#context
    await broker.router.ready(partition, this.#call.deadline)
    const rest = answerBy(env, this.#call.deadline) - env.monoMs()
    const limitMs = Math.min(rest, until === IMPATIENT ? IMPATIENT_MS_MAX : until - env.monoMs())
    const spec = { ...this.#spec(until === IMPATIENT), ...(turn && { turn }) }
    const outcome = await this.#pulled(partition, spec, Math.max(0, limitMs))
    if (outcome.type === 'failed') throw outcome.error
    const { deliveredMs, leaseMs, messages } = outcome
    const deliveries = messages.map(({ due, index, fence, count, body }) => ({ dueMs: due, index, fence, count, body }))
    return { partition: partition.info.id, deliveredMs, leaseMs, deliveries }
  }

  #spec(impatient: boolean): PullSpec {
    const { channel, group, consumer, leaseMs, maxMessages, start } = this.#request
    return {
      channel: channel === '' ? DEFAULT_CHANNEL : channel,
      group,
      consumer,
      session: Buffer.from(this.#context.env.randomBytes(SESSION_BYTES)).toString('hex'),
      leaseMs: leaseMs === 0 ? this.#context.broker.config.leaseMs : leaseMs,
      max: maxMessages === 0 ? PULL_MESSAGES_DEFAULT : maxMessages,
      start: { type: start === Start.LATEST ? 'latest' : 'earliest' },
      impatient,
    }
  }

  #pulled(partition: Partition, spec: PullSpec, limitMs: number): Promise<PullOutcome> {
    const { env } = this.#context
    return new Promise((resolve) => {
      let pull: Pull | undefined
      const stream = { end: (error: SandglassError) => pull?.end(error) }
      const cancel = () => pull?.end(new SandglassError('DEADLINE', 'Cannot pull: nobody waits for it any more'))
      const timer = env.after(limitMs, () => pull?.finish())
      pull = partition.pull(spec, (outcome) => {
        timer.cancel()
        this.#open.delete(cancel)
        this.#streams.delete(stream)
        resolve(outcome)
      })
      if (pull.over) return
      this.#streams.add(stream)
      this.#opened(cancel)
    })
  }
}

function noLeader(partition: number): SandglassError {
  return new SandglassError('NO_QUORUM', `Cannot pull from partition ${partition}: no leader is known`)
}
