/**
 * Log lines of leaderships gained and lost: what a moment brings is one line, for the loss of a node may move a thousand,
 * and a line is written before the event loop goes on.
 */
import type { Env, Timer } from '../../base/env.ts'
import type { GroupId } from '../../base/ids.ts'
import type { ReplicationEvent } from '../../replication/events.ts'
import type { Log } from './log.ts'

/** What a partition is called: `topic/partition`. */
type NameOf = (group: GroupId) => string

interface Moved {
  count: number
  readonly groups: { readonly group: string; readonly term: number }[]
}

const MOMENT_MS = 200
/** How many partitions a line names. */
const NAMED_MAX = 10

export class LeadershipLines {
  readonly #env: Env
  readonly #log: Log
  readonly #nameOf: NameOf
  readonly #led = new Set<GroupId>()
  #gained: Moved = { count: 0, groups: [] }
  #lost: Moved = { count: 0, groups: [] }
  #timer: Timer | undefined

  constructor(env: Env, log: Log, nameOf: NameOf) {
    this.#env = env
    this.#log = log
    this.#nameOf = nameOf
  }

  note(event: ReplicationEvent): void {
    if (event.type !== 'role') return
    const { group, role, term } = event
    if (role === 'leader' ? this.#led.has(group) : !this.#led.delete(group)) return
    if (role === 'leader') this.#led.add(group)
    const moved = role === 'leader' ? this.#gained : this.#lost
    moved.count += 1
    if (moved.groups.length < NAMED_MAX) moved.groups.push({ group: this.#nameOf(group), term })
    this.#timer ??= this.#env.after(MOMENT_MS, () => this.#write())
  }

  /** What is not written is written now. */
  close(): void {
    this.#timer?.cancel()
    this.#write()
  }

  #write(): void {
    this.#timer = undefined
    for (const [event, moved] of [['leader_lost', this.#lost] as const, ['leader_gained', this.#gained] as const]) {
      if (moved.count > 0) this.#log.info(event, { ...moved })
    }
    this.#gained = { count: 0, groups: [] }
    this.#lost = { count: 0, groups: [] }
  }
}
