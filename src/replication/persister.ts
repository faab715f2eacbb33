/**
 * Readys between the core and the log: written in order, confirmed in order, and what must not leave before they are
 * durable leaves with the confirmation. While a snapshot is being installed the later ones wait behind it.
 */
import { assert } from '../base/assert.ts'
import { Fifo } from '../base/fifo.ts'
import type { Ready } from '../raft/types.ts'
import type { Wal, WalWrite } from '../storage/wal/types.ts'

interface Pending {
  readonly ready: Ready
  durable: boolean
  /** A snapshot: durable is not enough, the view must have loaded it. */
  loaded: boolean
}

export class Persister {
  readonly #wal: Wal
  readonly #to: Pick<WalWrite, 'group' | 'replica'>
  readonly #confirmed: (ready: Ready) => void
  /** Not yet confirmed, oldest first. */
  readonly #pending = new Fifo<Pending>()
  /** Not yet handed to the log, because a snapshot before them is being installed. */
  #held: Pending[] | undefined
  #writes = 0
  #onIdle: (() => void)[] = []

  constructor(wal: Wal, to: Pick<WalWrite, 'group' | 'replica'>, confirmed: (ready: Ready) => void) {
    this.#wal = wal
    this.#to = { group: to.group, replica: to.replica }
    this.#confirmed = confirmed
  }

  /** Whether nothing waits for the log. */
  get idle(): boolean {
    return this.#writes === 0
  }

  /** Settles when nothing handed to the log waits for it any more. */
  whenIdle(): Promise<void> {
    if (this.idle) return Promise.resolve()
    return new Promise((resolve) => this.#onIdle.push(resolve))
  }

  add(ready: Ready): void {
    const pending = { ready, durable: false, loaded: true }
    this.#pending.push(pending)
    if (this.#held === undefined) this.#write(pending)
    else this.#held.push(pending)
  }

  /** Adds a Ready with a snapshot: neither it nor what follows is written before {@link resume}. */
  hold(ready: Ready): void {
    assert(this.#held === undefined, 'one snapshot is installed at a time')
    const pending = { ready, durable: false, loaded: false }
    this.#pending.push(pending)
    this.#held = [pending]
  }

  /**
   * The snapshot's state is in place: writes its mark, if the log does not go on as it is, and what waited; `durable` runs
   * once the mark is durable.
   */
  resume(durable: () => void): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const pending of held) this.#write(pending, pending === held[0] ? durable : undefined)
  }

  /** The view has loaded the snapshot: confirms it and what follows. */
  loaded(): void {
    for (const pending of this.#pending) pending.loaded = true
    this.#confirm()
  }

  #write(pending: Pending, durable?: () => void): void {
    const { hard, entries, keepsLog } = pending.ready
    const snapshot = keepsLog ? undefined : pending.ready.snapshot
    if (hard === undefined && snapshot === undefined && entries.length === 0) {
      pending.durable = true
      durable?.()
      this.#confirm()
      return
    }
    this.#writes++
    const write: WalWrite = {
      ...this.#to,
      ...(entries.length > 0 && { entries }),
      ...(hard !== undefined && { hard }),
      ...(snapshot !== undefined && { snapshot: { index: snapshot.index, term: snapshot.term } }),
    }
    this.#wal.append(write, () => {
      pending.durable = true
      durable?.()
      this.#confirm()
      this.#written()
    })
  }

  #written(): void {
    this.#writes--
    if (this.#writes > 0) return
    const waiting = this.#onIdle
    this.#onIdle = []
    for (const resolve of waiting) resolve()
  }

  #confirm(): void {
    for (;;) {
      const { first } = this.#pending
      if (first === undefined || !first.durable || !first.loaded) return
      this.#pending.shift()
      this.#confirmed(first.ready)
    }
  }
}
