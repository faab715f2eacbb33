// sandctl consume: prints deliveries and acknowledges each once it is printed.
import { SandglassError } from '../../base/errors.ts'
import { type ConsumerOptions, createConsumer, type StoppableConsumer } from '../../client/consumer.ts'
import type { Delivery } from '../../client/delivery.ts'
import { bytesAsJson } from './body-text.ts'
import { type Command, type Context, connected } from './context.ts'
import { EXIT, errorLine, exitCodeOf } from './exit.ts'

export interface ConsumeOptions {
  readonly consumer: ConsumerOptions
  readonly channel: string
  readonly follow: boolean
  readonly limit: number | undefined
  readonly ack: boolean
}

const CREDIT = 2000

export function consume(options: ConsumeOptions): Command {
  return (context) =>
    connected(context, async (core) => {
      const credit = Math.min(CREDIT, options.limit ?? CREDIT)
      const run = new Run(context, options)
      const consumer = createConsumer(
        { ...core, onCaughtUp: (is) => run.caughtUp(is) },
        { ...options.consumer, credit },
      )
      const code = await run.all(consumer)
      await consumer.close()
      return code
    })
}

/** Why it ends. */
type End = 'caught up' | 'limit' | 'late' | 'interrupted' | 'closed'

class Run {
  readonly #context: Context
  readonly #options: ConsumeOptions
  readonly #end: (why: End) => void
  readonly #ended: Promise<End>
  #isCaughtUp = false
  /** Waiting for the next delivery: everything that came is printed. */
  #idle = false
  #printed = 0
  #unsettled = 0
  #failure: SandglassError | undefined
  #deadline: NodeJS.Timeout | undefined

  constructor(context: Context, options: ConsumeOptions) {
    this.#context = context
    this.#options = options
    let end: (why: End) => void = () => undefined
    this.#ended = new Promise((resolve) => {
      end = resolve
    })
    this.#end = end
    const { interrupt } = context.surroundings
    if (interrupt.aborted) end('interrupted')
    interrupt.addEventListener('abort', () => end('interrupted'), { once: true })
    context.output.closed.addEventListener('abort', () => end('closed'), { once: true })
    this.#armDeadline()
  }

  caughtUp(is: boolean): void {
    this.#isCaughtUp = is
    if (is) this.#check()
  }

  async all(consumer: StoppableConsumer): Promise<number> {
    const reading = this.#read(consumer)
    const why = await Promise.race([this.#ended, reading])
    clearTimeout(this.#deadline)
    consumer.stop()
    await reading
    await this.#context.output.end()
    return this.#exitCode(why)
  }

  /** Prints until the consumer is stopped. */
  async #read(consumer: StoppableConsumer): Promise<End> {
    const deliveries = consumer[Symbol.asyncIterator]()
    const { limit = Number.POSITIVE_INFINITY } = this.#options
    while (this.#printed < limit) {
      this.#idle = true
      const next = await deliveries.next()
      this.#idle = false
      if (next.done) return this.#ended
      this.#print(next.value)
      if (this.#options.limit === undefined) this.#armDeadline()
      await this.#context.output.ready()
    }
    this.#check()
    return this.#ended
  }

  #print(delivery: Delivery): void {
    this.#printed++
    this.#unsettled++
    const { output } = this.#context
    const printed = (): void => {
      if (!this.#options.ack) this.#settled()
      else
        delivery.ack().then(
          () => this.#settled(),
          (error: unknown) => this.#unsettledFor(error),
        )
    }
    if (output.format === 'table') output.write(Buffer.concat([delivery.value, NEWLINE]), printed)
    else output.write(Buffer.from(`${JSON.stringify(asJson(delivery, this.#options.channel))}\n`), printed)
  }

  #settled(): void {
    this.#unsettled--
    if (this.#unsettled === 0) this.#check()
  }

  #unsettledFor(error: unknown): void {
    if (!(error instanceof SandglassError)) throw error
    // Unknown beats refused, as for a batch.
    if (this.#failure === undefined || error.outcome === 'unknown') this.#failure = error
    this.#settled()
  }

  /** Is it time to end? Asked when this turn is over, so that all that has come is printed. */
  #check(): void {
    setImmediate(() => {
      if (this.#unsettled > 0) return
      const { limit, follow } = this.#options
      if (limit !== undefined && this.#printed >= limit) this.#end('limit')
      else if (!follow && this.#isCaughtUp && this.#idle) this.#end('caught up')
    })
  }

  /** With a limit: for all of it. Without -f: for the next sign of progress. */
  #armDeadline(): void {
    const { limit, follow } = this.#options
    if (follow && limit === undefined) return
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(() => this.#end('late'), this.#context.timeoutMs)
  }

  #exitCode(why: End): number {
    const { stderr } = this.#context.surroundings
    if (why === 'closed') return EXIT.ok
    if (why === 'interrupted') return this.#options.follow ? EXIT.ok : EXIT.interrupted
    if (this.#failure !== undefined) {
      stderr.write(errorLine(this.#failure))
      return exitCodeOf(this.#failure)
    }
    if (why !== 'late') return EXIT.ok
    const { limit } = this.#options
    const wanted = limit === undefined ? 'all that is due' : `${limit} messages`
    stderr.write(errorLine(new SandglassError('DEADLINE', `Cannot consume ${wanted} in time: ${this.#printed} came`)))
    return EXIT.unreachable
  }
}

function asJson(delivery: Delivery, channel: string): Record<string, unknown> {
  const { offset, partition, index, key, headers, value, dueMs, deliveredMs, deliveryCount, fence } = delivery
  return {
    offset,
    partition,
    index,
    channel,
    ...(key !== undefined && bytesAsJson('key', key)),
    headers,
    ...bytesAsJson('value', value),
    dueMs,
    deliveredMs,
    deliveryCount,
    fence,
  }
}

const NEWLINE = Buffer.from('\n')
