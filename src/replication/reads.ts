/**
 * Linearizable reads of one replica (ReadIndex, §6.4 of Ongaro's dissertation): what is asked for in one turn shares one
 * quorum round, then waits until the replica has applied up to the read point. Each is answered exactly once.
 */
import type { RaftGroup } from '../raft/raft.ts'
import type { ReadState } from '../raft/types.ts'
import type { ReadOutcome } from './group.ts'

type Done = (outcome: ReadOutcome) => void

interface Round {
  readonly done: readonly Done[]
  readonly startedTick: number
}

interface Confirmed {
  readonly index: number
  readonly done: readonly Done[]
}

/** Contexts of one process stay below this; above it is its random mark, so that no two replicas share one. */
const CONTEXTS = 2 ** 32
const MARKS = 2 ** 20

export class Reads {
  readonly #max: number
  readonly #timeoutTicks: number
  readonly #rounds = new Map<number, Round>()
  #fresh: Done[] = []
  /** Since when the first of them has waited that were asked for before, in ticks. */
  #freshTick = Number.POSITIVE_INFINITY
  /** Ascending by index. */
  #confirmed: Confirmed[] = []
  #context: number
  #waiting = 0
  #tick = 0
  #inDoubt = false

  /** `random` in [0, 1): marks the contexts of this replica. A round without quorum ends after `timeoutTicks`. */
  constructor(limits: { readonly max: number; readonly timeoutTicks: number }, random: number) {
    this.#max = limits.max
    this.#timeoutTicks = limits.timeoutTicks
    this.#context = Math.floor(random * MARKS) * CONTEXTS
  }

  /** Whether a round is under way, whose time is counted in ticks. */
  get busy(): boolean {
    return this.#rounds.size > 0
  }

  /** Nobody has answered since {@link again}: who leads, and what is committed, is not known as of now. */
  get inDoubt(): boolean {
    return this.#inDoubt
  }

  /** What was asked before this moment is asked anew: an answer that is on its way may be old. A round is opened in any case. */
  again(): void {
    const [oldest] = this.#rounds.values()
    const before = [...this.#rounds.values(), ...this.#confirmed].flatMap(({ done }) => done)
    this.#rounds.clear()
    this.#confirmed = []
    if (before.length > 0) this.#freshTick = Math.min(this.#freshTick, oldest?.startedTick ?? this.#tick)
    this.#fresh.unshift(...before)
    this.#inDoubt = true
  }

  add(done: Done): void {
    if (this.#waiting >= this.#max) {
      done({ type: 'refused', reason: 'OVERLOADED' })
      return
    }
    this.#waiting++
    this.#fresh.push(done)
  }

  /** Closes the turn's batch: one round for all that was asked. */
  open(raft: RaftGroup): void {
    // Whoever does not lead hears of who does before it asks.
    if (raft.role !== 'leader') this.#inDoubt = false
    if (this.#fresh.length === 0 && (!this.#inDoubt || this.busy)) return
    const done = this.#fresh
    // Who stands still again and again is not to put off the end of their time again and again.
    const startedTick = Math.min(this.#freshTick, this.#tick)
    this.#fresh = []
    this.#freshTick = Number.POSITIVE_INFINITY
    this.#context++
    if (raft.readIndex(this.#context)) {
      this.#rounds.set(this.#context, { done, startedTick })
      return
    }
    // A leader refuses only when too many rounds are open.
    const reason = raft.role === 'leader' ? 'OVERLOADED' : 'NOT_LEADER'
    this.#answer(done, { type: 'refused', reason })
  }

  confirmed(states: readonly ReadState[], applied: number): void {
    for (const { index, context } of states) {
      const round = this.#rounds.get(context)
      if (round === undefined) continue
      this.#rounds.delete(context)
      this.#inDoubt = false
      if (index <= applied) this.#answer(round.done, { type: 'ok' })
      else this.#confirmed.push({ index, done: round.done })
    }
    this.#confirmed.sort((a, b) => a.index - b.index)
  }

  applied(index: number): void {
    while (this.#confirmed.length > 0) {
      const [first] = this.#confirmed
      if (first === undefined || first.index > index) return
      this.#confirmed.shift()
      this.#answer(first.done, { type: 'ok' })
    }
  }

  tick(): void {
    this.#tick++
    for (const [context, round] of this.#rounds) {
      if (this.#tick - round.startedTick < this.#timeoutTicks) return
      this.#rounds.delete(context)
      this.#answer(round.done, { type: 'refused', reason: 'NO_QUORUM' })
    }
  }

  /** The leader changed: rounds on their way are lost. Confirmed reads only wait for apply and stay. */
  leaderChanged(): void {
    this.#inDoubt = false
    const rounds = [...this.#rounds.values()]
    this.#rounds.clear()
    for (const { done } of rounds) this.#answer(done, { type: 'refused', reason: 'NOT_LEADER' })
  }

  /** This replica ends. */
  all(): void {
    const waiting = [...this.#fresh, ...[...this.#rounds.values(), ...this.#confirmed].flatMap(({ done }) => done)]
    this.#fresh = []
    this.#freshTick = Number.POSITIVE_INFINITY
    this.#rounds.clear()
    this.#confirmed = []
    this.#answer(waiting, { type: 'refused', reason: 'NOT_LEADER' })
  }

  #answer(done: readonly Done[], outcome: ReadOutcome): void {
    this.#waiting -= done.length
    for (const answer of done) answer(outcome)
  }
}
