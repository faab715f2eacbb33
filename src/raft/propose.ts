/**
 * Proposals (§5.3, §6): what clients ask for becomes entries of the leader's log, or is refused before anything is
 * appended.
 */
import { appendOwn, broadcastAppend, type NewEntry } from './append-entries.ts'
import type { ConfChange } from './conf-change.ts'
import { decodeConfChange } from './conf-change.ts'
import { changeConfiguration, isJoint } from './configuration.ts'
import type { ConfChangeObstacle } from './events.ts'
import type { RaftState } from './state.ts'
import { send } from './state.ts'
import type { ProposeRefusal } from './types.ts'

/** Where a proposal went: `index` is that of its first entry, the others follow it. */
export type Proposed = { readonly term: number; readonly index: number } | { readonly refused: ProposeRefusal }

const EMPTY = new Uint8Array(0)

/** Appends `entries` and sends them; only under `forwardProposals` a follower passes them on, with no place known. */
export function propose(r: RaftState, entries: readonly NewEntry[]): Proposed {
  if (r.role !== 'leader') return forward(r, entries)
  if (!r.progress.has(r.id)) return refuse(r, 'removed')
  if (r.transferee !== 0) return refuse(r, 'transferring')
  const checked = checkConfChanges(r, entries)
  const index = r.log.lastIndex + 1
  if (!appendOwn(r, checked.entries)) return { refused: 'tooMuchUncommitted' }
  if (checked.pendingConfIndex !== undefined) r.pendingConfIndex = checked.pendingConfIndex
  broadcastAppend(r)
  return checked.refused === undefined ? { term: r.term, index } : { refused: checked.refused }
}

function refuse(r: RaftState, reason: 'removed' | 'transferring'): Proposed {
  r.observe?.({ type: 'requestDropped', request: 'proposal', reason })
  return { refused: reason }
}

function forward(r: RaftState, entries: readonly NewEntry[]): Proposed {
  const mayForward = r.config.forwardProposals === true
  if (r.role !== 'follower' || r.leader === 0 || !mayForward) {
    const reason = r.role === 'follower' && r.leader !== 0 ? 'notForwarding' : 'noLeader'
    r.observe?.({ type: 'requestDropped', request: 'proposal', reason })
    return { refused: 'notLeader' }
  }
  send(r, 'propose', r.leader, { entries: entries.map(({ type, data }) => ({ term: 0, index: 0, type, data })) })
  return { term: 0, index: 0 }
}

/** Whether a change of the configuration would be taken now, by this leader. */
export function mayChange(r: RaftState, change: ConfChange): boolean {
  return r.role === 'leader' && r.transferee === 0 && whyNot(r, change, r.pendingConfIndex) === undefined
}

interface Checked {
  readonly entries: readonly NewEntry[]
  readonly pendingConfIndex?: number
  readonly refused?: ProposeRefusal
}

/** A configuration change that may not be made now becomes an empty entry, so that the places of the others stay. */
function checkConfChanges(r: RaftState, entries: readonly NewEntry[]): Checked {
  let pendingConfIndex = r.pendingConfIndex
  let refused: ProposeRefusal | undefined
  const last = r.log.lastIndex
  const checked = entries.map((entry, at): NewEntry => {
    if (entry.type !== 'confChange') return entry
    const change = decodeConfChange(entry.data)
    const reason = whyNot(r, change, pendingConfIndex)
    if (reason !== undefined) {
      r.observe?.({ type: 'confChangeIgnored', change, reason, pendingIndex: pendingConfIndex, conf: r.conf })
      refused = reason === 'pending' ? 'confChangePending' : 'confChangeInvalid'
      return { type: 'normal', data: EMPTY }
    }
    pendingConfIndex = last + at + 1
    return entry
  })
  return { entries: checked, pendingConfIndex, ...(refused === undefined ? {} : { refused }) }
}

function whyNot(r: RaftState, change: ConfChange, pendingConfIndex: number): ConfChangeObstacle | undefined {
  if (r.config.skipConfChangeChecks === true) return undefined
  const leaving = change.changes.length === 0
  // §6: one change at a time; and none before the entries of earlier terms, which may hold one, are applied.
  if (pendingConfIndex > r.log.applied) return 'pending'
  if (isJoint(r.conf) && !leaving) return 'mustLeaveJoint'
  if (!isJoint(r.conf) && leaving) return 'notJoint'
  // Once committed it would stop every replica.
  return 'refused' in changeConfiguration(r.conf, change) ? 'impossible' : undefined
}
