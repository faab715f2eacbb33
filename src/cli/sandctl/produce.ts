// sandctl produce: one message, many of one, or the lines of a file, as fast as the cluster takes them.
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { SandglassError } from '../../base/errors.ts'
import type { Message } from '../../client/message.ts'
import { createProducer, type Produced, type Producer } from '../../client/producer.ts'
import { type Command, type Context, connected } from './context.ts'
import { EXIT, errorLine, exitCodeOf, UsageError } from './exit.ts'
import { messageOf } from './produce-lines.ts'
import { Progress } from './progress.ts'

export interface ProduceOptions {
  readonly topic: string
  readonly payload: string | undefined
  readonly count: number
  /** A path, or `-` for stdin. */
  readonly file: string | undefined
  /** For messages that do not say otherwise. */
  readonly defaults: Omit<Message, 'value'>
}

/** Beyond this the next message waits for an answer. */
const IN_FLIGHT_MAX = 8192

/** Nothing gets through any more: what is left is not tried, one timeout is enough. */
const HOPELESS: ReadonlySet<string> = new Set(['UNREACHABLE', 'NO_QUORUM', 'TOPIC_NOT_FOUND'])

export function produce(options: ProduceOptions): Command {
  return (context) =>
    connected(context, async (core) => {
      const producer = createProducer(core)
      const run = new Run(context, options.topic, producer)
      const startedAt = performance.now()
      for await (const message of messages(context, options)) {
        if (context.surroundings.interrupt.aborted || context.output.closed.aborted) break
        await run.send(message)
      }
      await producer.close()
      return run.end(Math.round(performance.now() - startedAt))
    })
}

/** Each message, or why a line is none. */
async function* messages(context: Context, options: ProduceOptions): AsyncIterable<Message | SandglassError> {
  const { file, payload, defaults } = options
  if (file === undefined) {
    if (payload === undefined) throw new UsageError('PAYLOAD or --file is needed')
    const message = { ...defaults, value: payload }
    for (let n = 0; n < options.count; n++) yield message
    return
  }
  let number = 0
  for await (const line of await linesOf(context, file)) {
    number++
    if (line.trim() !== '') yield parsed(line, number, defaults)
  }
}

async function linesOf(context: Context, file: string): Promise<AsyncIterable<string>> {
  if (file === '-') return createInterface({ input: context.surroundings.stdin, crlfDelay: Number.POSITIVE_INFINITY })
  try {
    const handle = await open(file)
    if (!(await handle.stat()).isDirectory()) return handle.readLines()
    await handle.close()
    throw new Error('it is a folder')
  } catch (error) {
    throw new UsageError(`--file ${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function parsed(line: string, number: number, defaults: ProduceOptions['defaults']): Message | SandglassError {
  try {
    return messageOf(line, number, defaults)
  } catch (error) {
    if (error instanceof SandglassError) return error
    throw error
  }
}

class Run {
  readonly #context: Context
  readonly #topic: string
  readonly #producer: Producer
  readonly #progress: Progress
  #produced = 0
  #failed = 0
  #unknown = 0
  #inFlight = 0
  #hopeless: SandglassError | undefined
  /** The first error of each reason. */
  readonly #errors = new Map<string, SandglassError>()
  #resume: (() => void) | undefined

  constructor(context: Context, topic: string, producer: Producer) {
    this.#context = context
    this.#topic = topic
    this.#producer = producer
    this.#progress = new Progress(context.surroundings.stderr, () => `produced ${this.#produced}`)
  }

  /** Resolves when the next may be sent. */
  async send(message: Message | SandglassError): Promise<void> {
    const refused = message instanceof SandglassError ? message : this.#hopeless
    if (refused !== undefined || message instanceof SandglassError) {
      this.#lost(refused)
      return
    }
    this.#inFlight++
    this.#producer.produce(this.#topic, message).then(
      (produced) => this.#stored(produced),
      (error: unknown) => {
        this.#lost(error)
        this.#answered()
      },
    )
    if (this.#inFlight >= IN_FLIGHT_MAX) {
      await new Promise<void>((resolve) => {
        this.#resume = resolve
      })
    }
    await this.#context.output.ready()
  }

  end(elapsedMs: number): number {
    this.#progress.end()
    const { output, surroundings } = this.#context
    const summary = {
      topic: this.#topic,
      produced: this.#produced,
      failed: this.#failed,
      unknown: this.#unknown,
      elapsedMs,
    }
    if (output.format === 'json') output.json(summary)
    if (output.format === 'table')
      output.text(`produced ${summary.produced}, failed ${summary.failed}, unknown ${summary.unknown}, ${elapsedMs} ms`)
    for (const error of this.#errors.values()) surroundings.stderr.write(errorLine(error))
    return this.#exitCode()
  }

  #exitCode(): number {
    if (this.#unknown > 0) return EXIT.unknown
    if (this.#errors.size === 0) return EXIT.ok
    const codes = Array.from(this.#errors.values(), exitCodeOf)
    return codes.includes(EXIT.refused) ? EXIT.refused : EXIT.unreachable
  }

  #stored({ offset, partition, index, dueMs }: Produced): void {
    this.#produced++
    if (this.#context.output.format === 'jsonl') this.#context.output.json({ offset, partition, index, dueMs })
    this.#answered()
  }

  #lost(error: unknown): void {
    if (!(error instanceof SandglassError)) throw error
    if (error.outcome === 'unknown') this.#unknown++
    else this.#failed++
    if (!this.#errors.has(error.reason)) this.#errors.set(error.reason, error)
    if (HOPELESS.has(error.reason)) this.#hopeless ??= error
  }

  #answered(): void {
    this.#inFlight--
    if (this.#inFlight > IN_FLIGHT_MAX / 2) return
    this.#resume?.()
    this.#resume = undefined
  }
}
