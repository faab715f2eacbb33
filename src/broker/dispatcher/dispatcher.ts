/**
 * Hands due messages to consumers for one leadership of one partition. A group is looked at when something of it changed, when
 * its channel got a message that it waits for, or at the time that its last look foresaw; nobody polls, and a group to
 * which nobody is attached is not known here at all.
 */
import { SandglassError } from '../../base/errors.ts'
import { MESSAGE_BYTES_MAX, SLICE_MS } from '../../base/limits.ts'
import type { GroupName, Position, TimerEffect } from '../../views/timer/commands.ts'
import { type DispatchContext, type DispatchedGroup, READ_RETRY_MS } from './context.ts'
import { GroupDispatch } from './groups/group-dispatch.ts'
import { WakeTimes } from './wake-times.ts'
import { Channels } from './windows/channels.ts'
import type { KnownMessage } from './windows/sorted-messages.ts'
import { END, type Window } from './windows/window.ts'

export interface DispatcherOptions extends Omit<DispatchContext, 'windows' | 'fill' | 'wake' | 'stopped'> {
  /** `run` is wanted at the end of this turn. */
  schedule(): void
}

/** Reading the clock for every group would cost a part of what many of them do. */
const RUNS_PER_LOOK = 8
/** Half a full delivery: what comes of a read is taken in one turn. */
const SCAN_MESSAGES = 512
const SCAN_BYTES = 2 * MESSAGE_BYTES_MAX
/** What a read may bring: it ends behind the message that reaches its bound. */
const SCAN_RESERVED = SCAN_BYTES + MESSAGE_BYTES_MAX
/** Of reads while memory is scarce: what is needed at once, since somebody else pays for it. */
const TIGHT_MESSAGES = 128
const TIGHT_BYTES = 256 * 1024

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #context: DispatchContext
  readonly #groups = new Map<string, GroupDispatch>()
  readonly #channels: Channels
  readonly #times: WakeTimes<DispatchedGroup>
  /** Those that wait for the horizon to move. */
  readonly #heldBack = new Set<DispatchedGroup>()
  #awake = new Set<DispatchedGroup>()
  #stopped = false

  constructor(options: DispatcherOptions) {
    this.#options = options
    const { env, clock, handle } = options
    this.#context = {
      ...options,
      windows: (channel) => this.#channels.windows(channel),
      fill: (channel, window, cursor) => void this.#fill(channel, window, cursor),
      wake: (group) => this.wake(group),
      stopped: () => this.#stopped,
    }
    this.#times = new WakeTimes(env, clock, (group) => this.wake(group))
    this.#channels = new Channels({
      scan: (channel, after) => this.#scan(channel, after),
      now: () => clock.now(),
      budget: options.memory.lookAhead,
    })
    // Taking over: every stream an earlier leader knew has its grace to come back.
    for (const view of handle.view.groups()) {
      if (view.sessionCount === 0) continue
      const group = this.group({ channel: view.channel, group: view.group })
      for (const session of view.sessions()) group.inherit(session)
    }
  }

  /** Groups that somebody is attached to, or is about to be. */
  get size(): number {
    return this.#groups.size
  }

  /** Made when first asked for; kept while somebody is attached to it. */
  group(name: GroupName): GroupDispatch {
    let group = this.#groups.get(keyOf(name))
    if (group === undefined) {
      group = new GroupDispatch({ channel: name.channel, group: name.group }, this.#context)
      this.#groups.set(keyOf(name), group)
      this.wake(group)
    }
    return group
  }

  /** An extend was applied. */
  extended(name: GroupName, deadline: number, leaseMs: number): void {
    this.#groups.get(keyOf(name))?.extended(deadline, leaseMs)
  }

  /** Hints of one applied entry. */
  applied(effects: readonly TimerEffect[]): void {
    let stored = false
    for (const effect of effects) {
      if (effect.type === 'stored') {
        this.#channels.add(effect)
        stored = true
        continue
      }
      const group = this.#groups.get(keyOf(effect))
      if (group === undefined) continue
      if (effect.type === 'groupChanged') this.wake(group)
      else if (effect.type === 'leasesEnded') group.leasesEnded(effect.session)
      else group.replaced(effect.session)
    }
    if (stored) this.#channels.stored((group) => this.wake(group))
  }

  /** Has the group looked at in this turn. */
  wake(group: DispatchedGroup): void {
    if (this.#stopped) return
    this.#awake.add(group)
    this.#options.schedule()
  }

  /** What is due may be handed out up to a later time than before. */
  horizonMoved(): void {
    for (const group of this.#heldBack) this.wake(group)
    this.#heldBack.clear()
  }

  /** Leader's time has jumped forward: what waits for it waits less long. */
  clockStepped(): void {
    if (!this.#stopped) this.#times.arm()
  }

  /** Looks at groups that were woken, for a slice of time, then sets the timer. */
  run(): void {
    if (this.#stopped) return
    const { env, clock, schedule } = this.#options
    const awake = this.#awake
    this.#awake = new Set()
    const now = clock.now()
    const endMs = env.monoMs() + SLICE_MS
    let runs = 0
    for (const group of awake) {
      if (++runs % RUNS_PER_LOOK === 0 && env.monoMs() >= endMs) break
      awake.delete(group)
      group.run(now)
      this.#ran(group)
    }
    // Those that had no turn come first in the next one.
    if (awake.size > 0) {
      this.#awake = new Set([...awake, ...this.#awake])
      schedule()
    }
    this.#times.arm()
  }

  /** Leadership is gone, or the broker closes: every stream ends with `error`. */
  stop(error: SandglassError): void {
    this.#stopped = true
    this.#times.stop()
    for (const group of this.#groups.values()) group.stop(error)
    this.#groups.clear()
    this.#channels.close()
  }

  /** Ahead of the slowest cursors: known to be due, and the others. */
  lookAhead(): { due: number; scheduled: number } {
    const now = this.#options.clock.now()
    const { view } = this.#options.handle
    const sum = { due: 0, scheduled: 0 }
    for (const channel of view.channels()) {
      const known = this.#channels.count(channel, now)
      sum.due += known.due
      sum.scheduled += Math.max(known.scheduled, view.pending(channel) - known.due)
    }
    return sum
  }

  /** What it foresees is noted; one that nobody needs any more is forgotten. */
  #ran(group: DispatchedGroup): void {
    const { outlook, name } = group
    this.#heldBack.delete(group)
    if (group.idle) {
      if (this.#groups.get(keyOf(name)) === group) this.#groups.delete(keyOf(name))
      this.#times.forget(group)
      this.#channels.forget(group)
      return
    }
    this.#times.set(group, outlook)
    this.#channels.note(group)
    if (outlook.heldBack) this.#heldBack.add(group)
  }

  /** Waits for its turn among the reads of the node. */
  #scan(channel: string, after: Position): Promise<readonly KnownMessage[]> {
    const { handle, memory } = this.#options
    return memory.reads.run(async () => {
      if (this.#stopped) return []
      const { view, reader } = handle
      const [limit, bytes] = memory.lookAhead.tight ? [TIGHT_MESSAGES, TIGHT_BYTES] : [SCAN_MESSAGES, SCAN_BYTES]
      memory.lookAhead.reserve(SCAN_RESERVED)
      try {
        return await view.scan(reader, channel, { after, to: END }, limit, bytes)
      } finally {
        memory.lookAhead.release(SCAN_RESERVED)
      }
    })
  }

  async #fill(channel: string, window: Window, cursor: Position): Promise<void> {
    const wakeReaders = () => {
      if (this.#stopped) return
      for (const group of this.#channels.readersOf(channel, window)) this.wake(group)
    }
    try {
      await window.fill(cursor)
    } catch (error) {
      if (!(error instanceof SandglassError)) throw error
      this.#options.onReadFailure(error)
      window.paused = true
      this.#options.env.after(READ_RETRY_MS, () => {
        window.paused = false
        wakeReaders()
      })
      return
    }
    wakeReaders()
  }
}

function keyOf({ channel, group }: GroupName): string {
  return `${channel}\n${group}`
}
