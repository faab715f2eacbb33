/**
 * What a replica starts from: its last checkpoint and the log behind it (architecture §5). Invariant: commit =
 * max(hard state's commit, applied), and the log is contiguous from the checkpoint on, or nothing starts.
 */
import { SandglassError } from '../base/errors.ts'
import { TERM_MAX } from '../base/limits.ts'
import type { ConfState, HardState } from '../base/log-entry.ts'
import type { CheckpointMeta } from '../storage/state/types.ts'
import type { LogPosition, Wal } from '../storage/wal/types.ts'
import type { GroupSpec } from './group.ts'

export interface Recovered {
  /** What the state stands for; index 0 for a group that never had a checkpoint. */
  readonly meta: CheckpointMeta
  /** Absent for a replica that never wrote anything. */
  readonly hard: HardState | undefined
  /** Where the log begins, if the state up to there is lost: a leader's snapshot has to replace it. `meta` is then empty. */
  readonly lostBefore: LogPosition | undefined
}

/** Rejects when the log cannot continue the checkpoint. May restart the log behind the checkpoint, durably. */
export async function recover(spec: GroupSpec, wal: Wal, checkpoint: CheckpointMeta | undefined): Promise<Recovered> {
  const meta = checkpoint ?? { applied: 0, term: 0, confState: initialConfState(spec), lastAt: 0 }
  const log = wal.group(spec.group)
  if (log === undefined && meta.applied === 0) return { meta, hard: undefined, lostBefore: undefined }
  if (log !== undefined && log.base.index > meta.applied) {
    throw damaged(spec, `its log begins behind ${log.base.index}, its checkpoint is at ${meta.applied}`)
  }
  const hard = joined(log?.hard, meta)
  if (log?.term(meta.applied) !== meta.term) {
    // A snapshot was flipped in and its mark in the log was lost: what the log holds, if anything of it was durable at all,
    // is older than the snapshot, or a branch that was never committed.
    await restartLog(spec, wal, meta, hard)
  }
  checkEnd(spec, hard, wal.group(spec.group)?.lastIndex() ?? meta.applied)
  return { meta, hard, lostBefore: undefined }
}

/**
 * What a replica starts from whose state is lost and whose log, which begins behind entries that are gone, is whole:
 * the log alone. Undefined when there is no such log, or nobody else who could have the state.
 */
export function recoverLog(spec: GroupSpec, wal: Wal): Recovered | undefined {
  const log = wal.group(spec.group)
  if (log === undefined || log.base.index === 0 || spec.members.length < 2) return undefined
  const { index, term } = log.base
  const meta = { applied: 0, term: 0, confState: initialConfState(spec), lastAt: 0 }
  const hard = joined(log.hard, { ...meta, applied: index, term })
  checkEnd(spec, hard, log.lastIndex())
  return { meta, hard, lostBefore: { index, term } }
}

function checkEnd(spec: GroupSpec, hard: HardState, lastIndex: number): void {
  // Raised by a lie that an earlier version believed: nobody takes part with it, and forgetting it might vote twice.
  if (hard.term > TERM_MAX) throw damaged(spec, `its term is ${hard.term}, which no election leads to`)
  if (hard.commit > lastIndex) throw damaged(spec, `its log ends at ${lastIndex}, committed is ${hard.commit}`)
}

function initialConfState({ members }: GroupSpec): ConfState {
  const voters = members.map(({ replica }) => replica).sort((a, b) => a - b)
  return { voters, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }
}

/** A term below the checkpoint's was durable alone, so that this replica cannot have voted in the checkpoint's term. */
function joined(hard: HardState | undefined, { applied, term }: CheckpointMeta): HardState {
  const { term: own, vote, commit } = hard ?? { term: 0, vote: 0, commit: 0 }
  return { term: Math.max(own, term), vote: own < term ? 0 : vote, commit: Math.max(commit, applied) }
}

function restartLog({ group, replica }: GroupSpec, wal: Wal, meta: CheckpointMeta, hard: HardState): Promise<void> {
  return new Promise((resolve) => {
    wal.append({ group, replica, snapshot: { index: meta.applied, term: meta.term }, hard }, resolve)
  })
}

function damaged({ group }: GroupSpec, state: string): SandglassError {
  return new SandglassError('INTERNAL', `Cannot start group ${group}: ${state}`)
}
