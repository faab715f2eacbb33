/**
 * Hands due messages to consumers for one leadership of one partition. It runs at the end of a turn when something
 * changed, and by one timer at the next due time, redelivery, lease end or grace; it never polls.
 */
import type { Timer } from '../../base/env.ts'
import type { SandglassError } from '../../base/errors.ts'
import { MESSAGE_BYTES_MAX } from '../../base/limits.ts'
import type { GroupName, TimerEffect } from '../../views/timer/commands.ts'
import type { TimerHandle } from '../timer-handle.ts'
import { ChannelWindows } from './channel-windows.ts'
import type { DispatchContext, DispatchedGroup } from './context.ts'
import { GroupDispatch } from './group-dispatch.ts'
import { END, type Window } from './window.ts'

export interface DispatcherOptions extends Omit<DispatchContext, 'windows' | 'fill' | 'wake' | 'handle'> {
  readonly handle: Pick<TimerHandle, 'view' | 'store' | 'reader'>
  /** `run` is wanted at the end of this turn. */
  schedule(): void
  /** The store could not be read; it is tried again. */
  onReadFailure(error: unknown): void
}

const SCAN_MESSAGES = 1024
const SCAN_BYTES = 2 * MESSAGE_BYTES_MAX
/** Pause after a failed read, ms. */
const SCAN_RETRY_MS = 250
/** Runtimes limit timers: what lies further ahead is looked at again after this, ms. */
const TIMER_MS_MAX = 3_600_000

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #context: DispatchContext
  readonly #groups = new Map<string, GroupDispatch>()
  readonly #channels = new Map<string, ChannelWindows>()
  #awake = new Set<DispatchedGroup>()
  #timer: Timer | undefined
  /** Monotonic. */
  #timerAt = 0
  #stopped = false

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#context = {
      ...options,
      windows: (channel) => this.#windows(channel),
      fill: (channel, window, cursor) => void this.#fill(channel, window, cursor),
      wake: (group) => this.wake(group),
    }
    // Taking over: every stream an earlier leader knew has its grace to come back.
    for (const view of options.handle.view.groups()) {
      const group = this.group({ channel: view.channel, group: view.group })
      for (const session of view.sessions()) group.inherit(session)
      this.wake(group)
    }
  }

  /** Made when first asked for, forgotten when nothing came of it. */
  group(name: GroupName): GroupDispatch {
    const key = keyOf(name)
    let group = this.#groups.get(key)
    if (group === undefined) {
      group = new GroupDispatch({ channel: name.channel, group: name.group }, this.#context)
      this.#groups.set(key, group)
    }
    return group
  }

  /** Hints of one applied entry. */
  applied(effects: readonly TimerEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'stored') this.#stored(effect)
      else if (effect.type === 'groupChanged') this.wake(this.group(effect))
      else this.group(effect).replaced(effect.session)
    }
  }

  /** Has the group looked at in this turn. */
  wake(group: DispatchedGroup): void {
    if (this.#stopped) return
    this.#awake.add(group)
    this.#options.schedule()
  }

  /** Has every group looked at in this turn. */
  wakeAll(): void {
    for (const group of this.#groups.values()) this.wake(group)
  }

  /** Looks at the groups that were woken, then sets the timer. */
  run(): void {
    if (this.#stopped) return
    const awake = this.#awake
    this.#awake = new Set()
    const now = this.#options.clock.now()
    for (const group of awake) {
      if (group.unknown) this.#groups.delete(keyOf(group.name))
      else group.run(now)
    }
    this.#setTimer(now)
  }

  /** Leadership is gone, or the broker closes: every stream ends with `error`. */
  stop(error: SandglassError): void {
    this.#stopped = true
    this.#timer?.cancel()
    for (const group of this.#groups.values()) for (const session of [...group.sessions()]) session.end(error)
    this.#groups.clear()
    this.#channels.clear()
  }

  /** Ahead of the slowest cursors: known to be due, and the others. */
  lookAhead(): { due: number; scheduled: number } {
    const now = this.#options.clock.now()
    const sum = { due: 0, scheduled: 0 }
    const { view } = this.#options.handle
    const pending = new Map(view.channels().map((channel) => [channel, 0]))
    for (const { channel, pending: ahead } of view.groups()) {
      pending.set(channel, Math.max(pending.get(channel) ?? 0, ahead ?? 0))
    }
    for (const [channel, ahead] of pending) {
      const known = this.#channels.get(channel)?.count(now) ?? { due: 0, scheduled: 0 }
      sum.due += known.due
      sum.scheduled += Math.max(known.scheduled, ahead - known.due)
    }
    return sum
  }

  #stored(effect: Extract<TimerEffect, { type: 'stored' }>): void {
    for (const [i, position] of effect.positions.entries()) {
      const body = effect.bodies[i]
      const windows = this.#channels.get(effect.channels[i] ?? '')
      if (body !== undefined) windows?.stored({ due: position.due, index: position.index, body })
    }
    const channels = new Set(effect.channels)
    for (const group of this.#groups.values()) if (channels.has(group.name.channel)) this.wake(group)
  }

  #windows(channel: string): ChannelWindows {
    let windows = this.#channels.get(channel)
    if (windows === undefined) {
      const { clock, handle } = this.#options
      const { view, reader } = handle
      windows = new ChannelWindows({
        scan: (after) => view.scan(reader, channel, { after, to: END }, SCAN_MESSAGES, SCAN_BYTES),
        now: () => clock.now(),
      })
      this.#channels.set(channel, windows)
    }
    return windows
  }

  async #fill(channel: string, window: Window, cursor: Parameters<Window['fill']>[0]): Promise<void> {
    try {
      await window.fill(cursor)
    } catch (error) {
      this.#options.onReadFailure(error)
      this.#options.env.after(SCAN_RETRY_MS, () => this.#wakeChannel(channel))
      return
    }
    this.#wakeChannel(channel)
  }

  #wakeChannel(channel: string): void {
    for (const group of this.#groups.values()) if (group.name.channel === channel) this.wake(group)
  }

  /**
   * A timer that fires too early only looks again; one that would fire too late is replaced. `now` is the time at which
   * the groups looked: what became due since then must be waited for too, or nobody would look at it.
   */
  #setTimer(now: number): void {
    const { env } = this.#options
    let wait = TIMER_MS_MAX
    for (const group of this.#groups.values()) wait = Math.min(wait, group.waitMs(now) ?? wait)
    const at = env.monoMs() + Math.max(1, Math.ceil(wait))
    if (this.#timer !== undefined && this.#timerAt <= at) return
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = env.after(at - env.monoMs(), () => {
      this.#timer = undefined
      for (const group of this.#groups.values()) this.#awake.add(group)
      this.#options.schedule()
    })
  }
}

function keyOf({ channel, group }: GroupName): string {
  return `${channel}\n${group}`
}
