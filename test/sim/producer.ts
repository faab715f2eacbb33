/**
 * One producer of one partition. With a sequence it keeps a few frames under way and sends everything unanswered again,
 * in order, after a failure; without one it tries each frame once and takes what it is told.
 */
import type { GroupId } from '../../src/base/ids.ts'
import type { Answer } from '../../src/broker/lane.ts'
import type { NewMessage, ProduceCommand } from '../../src/views/timer/commands.ts'
import type { ClientWorld } from './clients.ts'

interface SentFrame {
  readonly first: number
  readonly values: readonly string[]
  readonly messages: readonly NewMessage[]
  answered: boolean
}

const WINDOW = 4
const TIMEOUT_MS = 900
const BACKOFF_MS = 300

export class SimProducer {
  readonly #world: ClientWorld
  readonly #partition: GroupId
  readonly #name: string
  readonly #hasSequence: boolean
  /** Not yet answered, in order. */
  readonly #frames: SentFrame[] = []
  #next = 1
  #produced = 0
  /** Counts rounds of sending: answers of an older one do not start another. */
  #round = 0
  /** A round begins soon; what is produced meanwhile goes with it. */
  #waiting = false
  /** How often the partition forgot this producer; every time it goes on under a new name. */
  #lives = 0
  #stopped = false
  /** On one stream frames arrive in order. */
  #arrivesMs = 0

  constructor(world: ClientWorld, partition: GroupId, name: string, hasSequence: boolean) {
    this.#world = world
    this.#partition = partition
    this.#name = name
    this.#hasSequence = hasSequence
    this.#produceLater()
  }

  get idle(): boolean {
    return this.#frames.length === 0
  }

  /** Produces nothing new; what is unanswered is still tried. */
  stop(): void {
    this.#stopped = true
  }

  #produceLater(): void {
    const { time, random, habits } = this.#world
    time.after(random.next() * 2 * habits.produceEveryMs, () => {
      if (this.#stopped) return
      if (this.#frames.length < WINDOW) this.#produce()
      this.#produceLater()
    })
  }

  #produce(): void {
    const { random, books, habits } = this.#world
    const count = random.between(1, 4)
    const delayMs = random.chance(habits.delayedShare) ? random.below(habits.delayMaxMs) : 0
    const values = Array.from({ length: count }, () => `${this.#name}:${++this.#produced}`)
    const padding = '.'.repeat(random.below(habits.bodyBytes))
    const messages = values.map((value) => ({ channel: 'master', body: Buffer.from(`${value}|${padding}`), delayMs }))
    const frame = { first: this.#next, values, messages, answered: false }
    this.#next += count
    for (const value of values) books.asked(this.#partition, value, delayMs)
    if (this.#hasSequence) this.#frames.push(frame)
    if (!this.#waiting) this.#send(frame)
  }

  #send(frame: SentFrame): void {
    const { time, random, habits, calm } = this.#world
    const server = this.#world.guessLeader(this.#partition)
    const round = this.#round
    const lost = !calm && random.chance(habits.loss)
    const travelMs = () => random.next() * habits.delayMs
    this.#arrivesMs = Math.max(this.#arrivesMs, time.nowMs + travelMs())
    if (this.#hasSequence) time.after(TIMEOUT_MS, () => this.#timedOut(frame, round))
    if (server === undefined || lost) {
      if (!this.#hasSequence) for (const value of frame.values) this.#world.books.refused(this.#partition, value)
      return
    }
    time.after(this.#arrivesMs - time.nowMs, () =>
      server.env.enter(() => {
        const partition = server.partition(this.#partition)
        if (partition === undefined) return
        partition.produce(this.#command(frame), (answer) => {
          if (!this.#hasSequence) this.#answeredOnce(frame, answer)
          else if (calm || !random.chance(habits.loss))
            time.after(travelMs(), () => this.#answered(frame, answer, round))
        })
      }),
    )
  }

  #command({ first, messages }: SentFrame): ProduceCommand {
    return {
      type: 'produce',
      ...(this.#hasSequence && { sequence: { producer: `${this.#name}.${this.#lives}`, first } }),
      messages,
    }
  }

  /** Without a sequence: what the leader decided counts, whether or not it arrives. */
  #answeredOnce({ values }: SentFrame, answer: Answer): void {
    const { books } = this.#world
    const positions = answer.type === 'reply' && answer.reply.type === 'produced' ? answer.reply.positions : undefined
    const refused = answer.type === 'failed' && answer.error.outcome === 'refused'
    for (const [i, value] of values.entries()) {
      if (positions !== undefined) books.answered(this.#partition, value, positions[i])
      else if (refused) books.refused(this.#partition, value)
    }
  }

  #answered(frame: SentFrame, answer: Answer, round: number): void {
    const { books, trace } = this.#world
    const reply = answer.type === 'reply' ? answer.reply : undefined
    trace.note(`${this.#name} ${frame.first} ${reply?.type ?? (answer.type === 'failed' ? answer.error.reason : '')}`)
    if (reply?.type !== 'produced') {
      if (reply?.type === 'duplicate') this.#world.fail('forgotten', `${this.#name} ${frame.first} was forgotten`)
      const forgotten = reply?.type === 'outOfSequence' && reply.expected === 1
      if (forgotten && frame === this.#frames[0] && round === this.#round) this.#startAnew()
      else this.#againLater(round)
      return
    }
    for (const [i, value] of frame.values.entries()) books.answered(this.#partition, value, reply.positions[i])
    frame.answered = true
    const at = this.#frames.indexOf(frame)
    if (at >= 0) this.#frames.splice(at, 1)
  }

  #timedOut(frame: SentFrame, round: number): void {
    if (!frame.answered) this.#againLater(round)
  }

  /** Sends everything unanswered again, once for all that failed together. */
  #againLater(round: number): void {
    if (round !== this.#round) return
    this.#round++
    this.#waiting = true
    const { time, random } = this.#world
    time.after(random.next() * BACKOFF_MS, () => {
      this.#waiting = false
      for (const frame of this.#frames) this.#send(frame)
    })
  }

  /**
   * A clock that went more than an hour ahead made the partition forget its producers. What became of the unanswered
   * messages cannot be told any more: sent again they might be stored twice.
   */
  #startAnew(): void {
    const [first] = this.#frames
    if (first === undefined || first.first === 1) return
    if (!this.#world.clocksRunWild) this.#world.fail('forgotten', `${this.#name} was forgotten`)
    this.#frames.length = 0
    this.#next = 1
    this.#lives++
    this.#round++
  }
}
