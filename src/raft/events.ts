/**
 * What happens inside the core, for tracing: structured, emitted at the moment it happens, never needed for
 * correctness. Terms and indexes that `status()` shows at that moment are not repeated here.
 */
import type { ConfState, SnapshotMeta } from '../base/log-entry.ts'
import type { ConfChange } from './conf-change.ts'
import type { Message, Progress, Role } from './types.ts'
import type { LogPosition } from './unstable.ts'

type DroppedRequest = 'proposal' | 'leaderTransfer' | 'readIndex'

/** Why a configuration change is not proposed; `impossible`: nobody would be left to vote. */
export type ConfChangeObstacle = 'pending' | 'mustLeaveJoint' | 'notJoint' | 'impossible'

export type RaftEvent =
  | RoleEvent
  | VoteEvent
  | TermEvent
  | ReplicationEvent
  | SnapshotEvent
  | MembershipEvent
  | TransferEvent
  | RequestEvent

type RoleEvent =
  | {
      readonly type: 'started'
      readonly peers: readonly number[]
      readonly term: number
      readonly commit: number
      readonly applied: number
      readonly last: LogPosition
    }
  | { readonly type: 'becameRole'; readonly role: Role; readonly term: number }
  | { readonly type: 'campaignIgnored'; readonly reason: 'leader' | 'unpromotable' | 'pendingConfChange' }
  | { readonly type: 'campaignStarted' }
  | { readonly type: 'quorumLost' }
  | { readonly type: 'leaderForgotten' }
  | { readonly type: 'forgetLeaderIgnored' }

type VoteEvent =
  | { readonly type: 'voteRequested'; readonly message: Message; readonly last: LogPosition }
  | { readonly type: 'voteReceived'; readonly message: Message }
  | { readonly type: 'votesCounted'; readonly message: Message; readonly granted: number; readonly rejected: number }
  | { readonly type: 'voteAnswered'; readonly message: Message; readonly last: LogPosition; readonly granted: boolean }
  | {
      readonly type: 'voteIgnored'
      readonly message: Message
      readonly last: LogPosition
      readonly remainingTicks: number
    }

type TermEvent =
  | { readonly type: 'higherTerm'; readonly message: Message }
  | { readonly type: 'lowerTermIgnored'; readonly message: Message }
  | { readonly type: 'lowerTermWriteIgnored'; readonly writeTerm: number }
  /** A write up to `mark` is durable, but no entry waits there any more, or one of another `term`. */
  | { readonly type: 'supersededWriteIgnored'; readonly mark: LogPosition; readonly term: number | undefined }

type ReplicationEvent =
  | { readonly type: 'appendRejected'; readonly message: Message; readonly ownTerm: number }
  | { readonly type: 'rejectionReceived'; readonly message: Message }
  | { readonly type: 'progressDecreased'; readonly progress: Progress }
  | { readonly type: 'noProgress'; readonly from: number }
  | { readonly type: 'unreachable'; readonly progress: Progress }
  | {
      readonly type: 'conflictFound'
      readonly index: number
      readonly existingTerm: number
      readonly conflictingTerm: number
    }
  | { readonly type: 'unstableReplaced'; readonly from: number; readonly all: boolean }

/** How far a log reaches, at the moment a snapshot replaces it. */
export interface LogExtent {
  readonly committed: number
  readonly applied: number
  readonly applying: number
  readonly offset: number
  readonly offsetInProgress: number
  readonly entries: number
}

type SnapshotEvent =
  | {
      readonly type: 'snapshotSent'
      readonly to: number
      readonly snapshot: SnapshotMeta
      readonly firstIndex: number
      readonly progress: Progress
    }
  | { readonly type: 'replicationPaused'; readonly progress: Progress }
  | { readonly type: 'snapshotUnavailable'; readonly to: number }
  | { readonly type: 'snapshotReceiverInactive'; readonly to: number }
  | { readonly type: 'snapshotRecovered'; readonly progress: Progress }
  | { readonly type: 'snapshotReported'; readonly ok: boolean; readonly progress: Progress }
  | { readonly type: 'snapshotRestoring'; readonly snapshot: SnapshotMeta; readonly log: LogExtent }
  | { readonly type: 'snapshotRestored'; readonly snapshot: SnapshotMeta }
  | { readonly type: 'snapshotFastForward'; readonly snapshot: SnapshotMeta; readonly last: LogPosition }
  | { readonly type: 'snapshotStranger'; readonly snapshot: SnapshotMeta }
  | { readonly type: 'snapshotHandled'; readonly snapshot: SnapshotMeta; readonly installed: boolean }

type MembershipEvent =
  | { readonly type: 'configurationSwitched'; readonly conf: ConfState }
  | {
      readonly type: 'confChangeIgnored'
      readonly change: ConfChange
      readonly reason: ConfChangeObstacle
      readonly pendingIndex: number
      readonly conf: ConfState
    }
  | { readonly type: 'autoLeaveStarted'; readonly conf: ConfState }
  | { readonly type: 'autoLeaveRefused'; readonly conf: ConfState; readonly reason: 'transferring' }

type TransferEvent =
  | {
      readonly type: 'transferIgnored'
      readonly to: number
      readonly reason: 'learner' | 'stateLost' | 'inProgress' | 'alreadyLeader'
    }
  | { readonly type: 'transferReplaced'; readonly previous: number; readonly to: number }
  | { readonly type: 'transferStarted'; readonly to: number }
  | { readonly type: 'timeoutNowSent'; readonly to: number; readonly immediately: boolean }
  | { readonly type: 'timeoutNowReceived'; readonly from: number }
  | { readonly type: 'timeoutNowIgnored'; readonly from: number }

type RequestEvent =
  | {
      readonly type: 'requestDropped'
      readonly request: DroppedRequest
      readonly reason: 'noLeader' | 'notForwarding' | 'transferring' | 'removed'
    }
  /** All that waits for this Ready's persistence, messages to oneself included, in order; `mark` is the end of its log. */
  | {
      readonly type: 'awaitsPersist'
      readonly token: number
      readonly term: number
      readonly messages: readonly Message[]
      readonly mark: LogPosition | undefined
    }
