/**
 * The timer view against the reference queue: any order of produce, deliver, settle, sessions, time, checkpoints,
 * snapshots and restarts. SANDGLASS_MODEL_RUNS sets the number of sequences.
 */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeTimerCommand, encodeTimerCommand } from '../../../src/views/timer/codec.ts'
import type { TimerCommand, TimerReply } from '../../../src/views/timer/commands.ts'
import { createTimerView, type TimerView } from '../../../src/views/timer/timer-view.ts'
import { flush } from '../flushed.ts'
import { reload } from '../reload.ts'
import { MapStore } from './map-store.ts'
import { attach, beginning, type Draft, deliver, detach, produce, settle } from './model-steps.ts'
import { compare, ReferenceQueue } from './reference-queue.ts'

const RUNS = Number(process.env.SANDGLASS_MODEL_RUNS ?? 5_000)
/** A replica: its view and rows, the last checkpoint, and the log behind that. */
class Real {
  view: TimerView = createTimerView()
  store = new MapStore()
  checkpoint = new MapStore()
  since: { bytes: Uint8Array; at: number; reply: TimerReply }[] = []
  readonly all: { bytes: Uint8Array; at: number }[] = []
  /** A checkpoint on its way: the rows of apply at its freeze, its other rows as far as they are made. */
  #freezing: { steps: Iterator<void>; rows: MapStore; applied: number } | undefined

  apply(command: TimerCommand, at: number): TimerReply {
    const bytes = encodeTimerCommand(command)
    same(decodeTimerCommand(bytes), command)
    const { reply } = this.view.apply(bytes, { at, index: this.all.length, store: this.store })
    this.since.push({ bytes, at, reply })
    this.all.push({ bytes, at })
    return reply
  }

  /** A checkpoint begins; its rows are made while commands go on, at the latest before the next one. */
  freeze(): void {
    this.#end()
    const frozen = this.view.freeze(this.store)
    const { store } = this
    const rows = store.copy()
    const to = {
      put: (key: string, value: Uint8Array) => {
        for (const all of [rows, store]) all.put(key, value)
      },
      delete: (key: string) => {
        for (const all of [rows, store]) all.delete(key)
      },
    }
    this.#freezing = { steps: frozen.write(to), rows, applied: this.all.length }
  }

  step(): void {
    if (this.#freezing?.steps.next().done === true) this.#end()
  }

  flush(): void {
    this.freeze()
    this.#end()
  }

  #end(): void {
    const freezing = this.#freezing
    this.#freezing = undefined
    if (freezing === undefined) return
    while (freezing.steps.next().done !== true);
    this.checkpoint = freezing.rows
    this.since = this.since.slice(this.since.length - (this.all.length - freezing.applied))
    sameRowsAsOf(this.all.slice(0, freezing.applied), this.checkpoint)
  }

  async restart(): Promise<void> {
    // What was on its way is lost.
    this.#freezing = undefined
    this.store = this.checkpoint.copy()
    this.view = await reload(createTimerView(), this.store)
    for (const { bytes, at, reply } of this.since) {
      same(this.view.apply(bytes, { at, index: 0, store: this.store }).reply, reply)
    }
  }
}

type Step = fc.AsyncCommand<ReferenceQueue, Real>

/** A command of the log: made from the reference's state, applied to both, answers and states compared. */
class Apply implements Step {
  readonly #draft: Draft

  constructor(draft: Draft) {
    this.#draft = draft
  }

  check(): boolean {
    return true
  }

  async run(model: ReferenceQueue, real: Real): Promise<void> {
    const at = model.at + this.#draft.passMs
    const command = this.#draft.make(model)
    same(real.apply(command, at), model.apply(command, at))
    real.step()
    await compareStates(model, real)
  }

  toString(): string {
    return this.#draft.name
  }
}

type MaintainKind = 'freeze' | 'flush' | 'restart' | 'snapshot'

class Maintain implements Step {
  readonly #kind: MaintainKind

  constructor(kind: MaintainKind) {
    this.#kind = kind
  }

  check(): boolean {
    return true
  }

  async run(model: ReferenceQueue, real: Real): Promise<void> {
    if (this.#kind === 'freeze') real.freeze()
    if (this.#kind === 'flush' || this.#kind === 'snapshot') real.flush()
    if (this.#kind === 'restart' || this.#kind === 'snapshot') await real.restart()
    await compareStates(model, real)
  }

  toString(): string {
    return this.#kind
  }
}

async function compareStates(model: ReferenceQueue, { view, store }: Real): Promise<void> {
  same([view.lastIndex, view.messageCount], [model.lastIndex, model.messages.length])
  same([...view.groups()].length, model.groups.length)
  for (const group of model.groups) {
    const seen = view.group(group)
    const ordered = model.ordered(group.channel)
    const leased = group.entries.filter((e) => e.lease !== undefined)
    const lowest = [...group.entries].sort(compare)[0]
    const seenState = {
      cursor: seen?.cursor,
      committed: seen?.committed,
      leased: seen?.leased,
      waiting: seen?.waiting,
      outstanding: seen?.outstanding,
      pending: seen?.pending,
      sessions: seen?.sessions(),
      nextReadyAt: seen?.nextReadyAt(),
      nextDeadline: seen?.nextDeadline(),
      ready: seen?.ready(model.at + 50, 1000),
      expired: seen?.expired(model.at + 50, 1000),
      states: await Promise.all(ordered.map((position) => seen?.stateOf(store, position))),
      reasons: await Promise.all(group.entries.map(async (e) => (await seen?.reason(store, e.index)) ?? '')),
      held: leased.every((e) => [...(seen?.leases(e.lease?.session) ?? [])].some((l) => l.index === e.index)),
      leases: [...(seen?.leases() ?? [])].length,
    }
    same(seenState, {
      cursor: group.cursor,
      committed: lowest === undefined ? group.cursor : { due: lowest.due, index: lowest.index - 1 },
      leased: leased.length,
      waiting: group.entries.length - leased.length,
      outstanding: leased.length + model.waiting(group, model.at).length,
      pending: group.counted ? ordered.filter((p) => compare(p, group.cursor) > 0).length : undefined,
      sessions: group.sessions.map(({ id, consumer }) => ({
        consumer,
        session: id,
        leased: leased.filter((e) => e.lease?.session === id).length,
      })),
      nextReadyAt: model.waiting(group, Number.POSITIVE_INFINITY)[0]?.notBefore,
      nextDeadline: finite(Math.min(...leased.map((e) => e.lease?.deadline ?? 0))),
      ready: model
        .waiting(group, model.at + 50)
        .map(({ due, index, count, notBefore }) => ({ due, index, notBefore, count })),
      expired: leased
        .map(({ due, index, count, lease }) => ({ due, index, count, ...(lease ?? { deadline: 0 }) }))
        .filter(({ deadline }) => deadline <= model.at + 50)
        .sort((a, b) => a.deadline - b.deadline || a.index - b.index),
      states: ordered.map((p) => {
        const entry = group.entries.find((e) => e.index === p.index)
        if (entry !== undefined) return entry.lease === undefined ? 'waiting' : 'leased'
        return compare(p, group.cursor) > 0 ? 'ahead' : 'done'
      }),
      reasons: group.entries.map((e) => e.reason),
      held: true,
      leases: leased.length,
    })
  }
}

/** Vitest's comparison tells more and takes longer: only when there is something to tell. */
function same(seen: unknown, wanted: unknown): void {
  if (!isDeepStrictEqual(seen, wanted)) expect(seen).toEqual(wanted)
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined
}

const maintain = fc
  .constantFrom('freeze' as const, 'flush' as const, 'restart' as const, 'snapshot' as const)
  .map((kind) => new Maintain(kind))

test('the view answers like the reference queue, through checkpoints, snapshots and restarts', {
  timeout: 600_000,
}, async () => {
  const drafts = fc.oneof(produce, produce, attach, attach, deliver, deliver, deliver, settle, settle, settle, detach)
  const applies = drafts.map((draft) => new Apply(draft))
  const steps = fc.commands([applies, applies, applies, applies, maintain], { maxCommands: 32, size: 'max' })
  await fc.assert(
    fc.asyncProperty(steps, async (commands) => {
      const real = new Real()
      const model = new ReferenceQueue()
      for (const draft of beginning) await new Apply(draft).run(model, real)
      await fc.asyncModelRun(() => ({ model, real }), commands)
      real.flush()
    }),
    { numRuns: RUNS },
  )
})

/** A second replica applies the same log and is frozen once, at the end. */
function sameRowsAsOf(log: readonly { bytes: Uint8Array; at: number }[], rows: MapStore): void {
  const other = new MapStore()
  const view = createTimerView()
  for (const { bytes, at } of log) view.apply(bytes, { at, index: 0, store: other })
  flush(view, other)
  same(rows.dump(), other.dump())
}
