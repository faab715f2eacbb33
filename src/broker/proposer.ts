/**
 * Turns the commands of one turn into few Raft entries and answers every caller exactly once. Settling commands (acks,
 * deliveries, attachments) go before produces and have room of their own, so that an overloaded partition still drains.
 */
import { assert, unreachable } from '../base/assert.ts'
import { type ErrorReason, invalid, type SandglassError } from '../base/errors.ts'
import { Fifo } from '../base/fifo.ts'
import { COMMAND_BYTES_MAX } from '../base/limits.ts'
import type { ProposalOutcome } from '../replication/group.ts'
import { encodeTimerCommand } from '../views/timer/codec.ts'
import type { TimerCommand, TimerReply } from '../views/timer/commands.ts'
import { type Answer, EntryBatch, Lane, type LaneBudgets, WaitingCommand } from './lane.ts'
import type { TimerHandle } from './timer-handle.ts'

export interface ProposerOptions {
  readonly handle: Pick<TimerHandle, 'propose'>
  readonly budgets: LaneBudgets
  /** Leader's time, asked once per turn. */
  readonly now: () => number
  /** Words a refusal; it may name the leader. */
  readonly refusal: (reason: ErrorReason) => SandglassError
  /** Something waits: `flush` is wanted at the end of this turn. */
  readonly schedule: () => void
  /** `horizon` may be later now: also when what was proposed stored nothing and so nobody else would say so. */
  readonly horizonMoved: () => void
}

/** An entry that creates positions and is not yet applied: they begin at its `at`. */
interface OpenEntry {
  readonly at: number
  open: boolean
}

type Caller = WaitingCommand['done']

/** Together below UNCOMMITTED_BYTES_MAX: what settles always finds room beside produces. */
const PRODUCE_BYTES_MAX = 16 * 1024 * 1024
const SETTLE_BYTES_MAX = 8 * 1024 * 1024
/** Entries of one turn: bounds the time a turn takes; the rest goes in the next. */
const ENTRIES_PER_TURN = 8
/** While so many entries are on their way, settling commands wait for one of them, until they are many themselves. */
const SMALL_ENTRIES_MAX = 2
const SMALL_WEIGHT = 64

export class Proposer {
  readonly #options: ProposerOptions
  readonly #settle: Lane
  readonly #produce: Lane
  readonly #openEntries = new Fifo<OpenEntry>()
  /** Entries that are not answered yet. */
  #underWay = 0
  /** The replica refused for want of room: produces no longer share an entry with what settles. */
  #crowded = false
  readonly counts = { applied: 0, refused: 0, unknown: 0 }

  constructor(options: ProposerOptions) {
    this.#options = options
    this.#settle = new Lane(SETTLE_BYTES_MAX, options.budgets.settle)
    this.#produce = new Lane(PRODUCE_BYTES_MAX, options.budgets.produce)
  }

  /** Encodes at once (bodies may lie in a frame that does not outlive the turn); `done` is called exactly once. */
  submit(command: TimerCommand, done: (answer: Answer) => void, wanted?: () => boolean): void {
    const lane = command.type === 'produce' ? this.#produce : this.#settle
    if (lane.full) {
      done({ type: 'failed', error: this.#options.refusal('OVERLOADED') })
      return
    }
    const bytes = encodeTimerCommand(command)
    if (bytes.length > COMMAND_BYTES_MAX) {
      done({ type: 'failed', error: tooLarge(command, bytes.length) })
      return
    }
    lane.push(new WaitingCommand(bytes, weightOf(command), done, wanted))
    this.#options.schedule()
  }

  get waiting(): boolean {
    return this.#settle.waiting || this.#produce.waiting
  }

  /** What is due by then is surely known here: positions of unapplied entries begin at the `at` of the first. */
  horizon(now: number): number {
    return Math.min(now, this.#openEntries.first?.at ?? now)
  }

  /** Proposes what waits, all under one time. */
  flush(): void {
    const at = this.#options.now()
    for (let n = 0; n < ENTRIES_PER_TURN && this.#worthAnEntry; n++) this.#proposeOne(at)
    if (this.#worthAnEntry) this.#options.schedule()
  }

  /** As with deliveries: what settles little goes with what comes meanwhile. */
  get #worthAnEntry(): boolean {
    if (this.#produce.waiting) return true
    if (!this.#settle.waiting) return false
    return this.#underWay < SMALL_ENTRIES_MAX || this.#settle.weight >= SMALL_WEIGHT
  }

  /** Refuses what waits; what was proposed is answered by replication. */
  refuseWaiting(reason: ErrorReason): void {
    const items = [...this.#settle.drain(), ...this.#produce.drain()]
    if (items.length === 0) return
    fail(
      items.map(({ done }) => done),
      this.#options.refusal(reason),
    )
  }

  #proposeOne(at: number): void {
    const batch = new EntryBatch()
    const settleCost = this.#settle.moveTo(batch)
    const alone = this.#crowded && settleCost > 0
    const produceCost = alone ? 0 : this.#produce.moveTo(batch)
    // Nobody waits for any of it any more.
    if (batch.commands.length === 0) return
    const entry = produceCost > 0 ? { at, open: true } : undefined
    if (entry) this.#openEntries.push(entry)
    this.#underWay += 1
    // The entry has the bytes from here on: who waits for its answer refers to the callers alone.
    const { commands, callers } = batch
    this.#options.handle.propose({
      at,
      commands,
      done: (outcome) => {
        this.#underWay -= 1
        if (this.waiting) this.#options.schedule()
        this.#settle.answered(settleCost)
        this.#produce.answered(produceCost)
        if (entry) this.#close(entry)
        this.#answer(callers, outcome)
      },
    })
  }

  #close(entry: OpenEntry): void {
    assert(entry.open, 'a proposal is answered once')
    entry.open = false
    if (this.#openEntries.first?.open !== false) return
    while (this.#openEntries.first?.open === false) this.#openEntries.shift()
    this.#options.horizonMoved()
  }

  #answer(callers: readonly Caller[], outcome: ProposalOutcome<TimerReply>): void {
    this.counts[outcome.type] += 1
    switch (outcome.type) {
      case 'applied':
        this.#crowded = false
        assert(outcome.replies.length === callers.length, 'an applied proposal answers each of its commands')
        for (const [i, reply] of outcome.replies.entries()) callers[i]?.({ type: 'reply', reply, at: outcome.at })
        return
      case 'refused':
        this.#crowded = outcome.reason === 'OVERLOADED'
        fail(callers, this.#options.refusal(outcome.reason))
        return
      case 'unknown':
        fail(callers, this.#options.refusal('COMMIT_UNKNOWN'))
        return
      default:
        unreachable(outcome)
    }
  }
}

function fail(callers: readonly Caller[], error: SandglassError): void {
  for (const caller of callers) caller({ type: 'failed', error })
}

/** The request's field that makes a command of its type large. */
const LARGE_FIELD = {
  produce: 'messages',
  attach: 'holds',
  detach: 'session',
  deliver: 'credit',
  ack: 'index',
  nack: 'reason',
  extend: 'index',
  expire: 'index',
} as const satisfies Record<TimerCommand['type'], string>

function tooLarge({ type }: TimerCommand, bytes: number): SandglassError {
  return invalid(LARGE_FIELD[type], `Cannot ${type}: the request has ${bytes} bytes, at most ${COMMAND_BYTES_MAX}`)
}

function weightOf(command: TimerCommand): number {
  switch (command.type) {
    case 'produce':
      return command.messages.length
    case 'deliver':
      return command.runs.reduce((n, run) => n + run.positions.length + run.again.length, command.parked.length)
    case 'ack':
    case 'nack':
    case 'extend':
    case 'expire':
      return command.items.length
    case 'attach':
      return 1 + (command.holds?.length ?? 0)
    case 'detach':
      return 1
    default:
      return unreachable(command)
  }
}
