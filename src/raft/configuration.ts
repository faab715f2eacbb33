/**
 * Membership arithmetic (§6, §4.3 of the dissertation): a configuration and a list of changes give the next one.
 * Invariants: a learner is no voter; `learnersNext` are outgoing voters that become learners when the joint
 * configuration is left; only a joint one has those or leaves by itself.
 */
import { assert } from '../base/assert.ts'
import type { ConfState } from '../base/log-entry.ts'
import type { ConfChange, ConfChangeStep } from './conf-change.ts'
import { leavesJoint } from './conf-change.ts'

export type ConfigurationRefusal =
  | 'alreadyJoint'
  | 'noVotersYet'
  | 'notJoint'
  | 'simpleInJoint'
  | 'moreThanOneVoter'
  | 'noVotersLeft'

/** The next configuration; `restarted` are replicas whose progress starts anew, though they had one before. */
export type Changed =
  | { readonly next: ConfState; readonly restarted: ReadonlySet<number> }
  | { readonly refused: ConfigurationRefusal }

export const EMPTY_CONFIGURATION: ConfState = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
}

export function isJoint(conf: ConfState): boolean {
  return conf.votersOutgoing.length > 0
}

/** Everybody who gets the log, ascending. */
export function members(conf: ConfState): number[] {
  return ascending(new Set([...conf.voters, ...conf.votersOutgoing, ...conf.learners]))
}

/** Everybody whose vote counts in either half, ascending. */
export function voterIds(conf: ConfState): number[] {
  return ascending(new Set([...conf.voters, ...conf.votersOutgoing]))
}

/** What `change` does: leaves a joint configuration, enters one, or takes a single step. */
export function changeConfiguration(conf: ConfState, change: ConfChange): Changed {
  if (leavesJoint(change)) return leaveJoint(conf)
  if (change.transition !== 'auto' || change.changes.length > 1) {
    return enterJoint(conf, change.changes, change.transition !== 'explicit')
  }
  return simpleChange(conf, change.changes)
}

/** The present voters become the outgoing half, and the changes make the incoming one. */
export function enterJoint(conf: ConfState, steps: readonly ConfChangeStep[], autoLeave: boolean): Changed {
  if (isJoint(conf)) return { refused: 'alreadyJoint' }
  if (conf.voters.length === 0) return { refused: 'noVotersYet' }
  const draft = new Draft({ ...conf, votersOutgoing: conf.voters, autoLeave })
  return draft.apply(steps) ? draft.finish() : { refused: 'noVotersLeft' }
}

export function leaveJoint(conf: ConfState): Changed {
  if (!isJoint(conf)) return { refused: 'notJoint' }
  const learners = ascending(new Set([...conf.learners, ...conf.learnersNext]))
  return {
    next: { voters: conf.voters, votersOutgoing: [], learners, learnersNext: [], autoLeave: false },
    restarted: new Set(),
  }
}

/** Steps that change at most one voter: old and new majorities overlap, so no joint configuration is needed. */
export function simpleChange(conf: ConfState, steps: readonly ConfChangeStep[]): Changed {
  if (isJoint(conf)) return { refused: 'simpleInJoint' }
  const draft = new Draft(conf)
  if (!draft.apply(steps)) return { refused: 'noVotersLeft' }
  if (difference(conf.voters, draft.voters) > 1) return { refused: 'moreThanOneVoter' }
  return draft.finish()
}

/** A configuration under change, and who is tracked: a replica removed and added again starts from nothing. */
class Draft {
  readonly voters: Set<number>
  readonly #outgoing: ReadonlySet<number>
  readonly #learners: Set<number>
  readonly #learnersNext: Set<number>
  readonly #autoLeave: boolean
  readonly #tracked: Set<number>
  readonly #restarted = new Set<number>()

  constructor(conf: ConfState) {
    this.voters = new Set(conf.voters)
    this.#outgoing = new Set(conf.votersOutgoing)
    this.#learners = new Set(conf.learners)
    this.#learnersNext = new Set(conf.learnersNext)
    this.#autoLeave = conf.autoLeave
    this.#tracked = new Set(members(conf))
  }

  /** False if nobody would be left to vote. Replica 0 is nobody: such steps are skipped. */
  apply(steps: readonly ConfChangeStep[]): boolean {
    for (const { type, replica } of steps) {
      if (replica === 0 || type === 'update') continue
      if (type === 'addVoter') this.#addVoter(replica)
      else if (type === 'addLearner') this.#addLearner(replica)
      else this.#remove(replica)
    }
    return this.voters.size > 0
  }

  finish(): Changed {
    const next: ConfState = {
      voters: ascending(this.voters),
      votersOutgoing: ascending(this.#outgoing),
      learners: ascending(this.#learners),
      learnersNext: ascending(this.#learnersNext),
      autoLeave: this.#autoLeave,
    }
    checkConfiguration(next)
    return { next, restarted: this.#restarted }
  }

  #addVoter(id: number): void {
    this.#track(id)
    this.#learners.delete(id)
    this.#learnersNext.delete(id)
    this.voters.add(id)
  }

  #addLearner(id: number): void {
    if (this.#learners.has(id)) return
    this.#track(id)
    this.voters.delete(id)
    this.#learnersNext.delete(id)
    // Still a voter in the outgoing half: it becomes a learner when that half goes.
    if (this.#outgoing.has(id)) this.#learnersNext.add(id)
    else this.#learners.add(id)
  }

  #remove(id: number): void {
    this.voters.delete(id)
    this.#learners.delete(id)
    this.#learnersNext.delete(id)
    if (!this.#outgoing.has(id)) this.#tracked.delete(id)
  }

  #track(id: number): void {
    if (this.#tracked.has(id)) return
    this.#tracked.add(id)
    this.#restarted.add(id)
  }
}

/** Throws unless the invariants of this file hold. */
export function checkConfiguration(conf: ConfState): void {
  const broken = brokenInvariant(conf)
  assert(broken === undefined, broken ?? '')
}

/** The first of them that does not hold; undefined: all do. */
export function brokenInvariant(conf: ConfState): string | undefined {
  const { voters, votersOutgoing, learners, learnersNext } = conf
  if (![voters, votersOutgoing, learners, learnersNext].every(isAscending)) return 'replicas stand in order, each once'
  if (learnersNext.some((id) => !votersOutgoing.includes(id))) return 'a learner-to-be is an outgoing voter'
  if (learnersNext.some((id) => learners.includes(id))) return 'a learner-to-be is no learner yet'
  if (learners.some((id) => voters.includes(id) || votersOutgoing.includes(id))) return 'a learner is no voter'
  if (isJoint(conf)) return undefined
  return conf.autoLeave ? 'only a joint configuration leaves by itself' : undefined
}

function isAscending(ids: readonly number[]): boolean {
  return ids.every((id, place) => place === 0 || id > (ids[place - 1] ?? 0))
}

function ascending(ids: ReadonlySet<number>): number[] {
  return [...ids].sort((a, b) => a - b)
}

function difference(before: readonly number[], after: ReadonlySet<number>): number {
  const old = new Set(before)
  let count = 0
  for (const id of old) if (!after.has(id)) count++
  for (const id of after) if (!old.has(id)) count++
  return count
}
