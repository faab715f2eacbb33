/** The names that scripts use for what the core calls otherwise. */
import type { ConfChangeStep, ConfChangeType } from '../../../src/raft/conf-change.ts'
import type { MessageType, Progress, Role } from '../../../src/raft/types.ts'

export const MESSAGE_NAMES = {
  appendEntries: 'MsgApp',
  appendEntriesResponse: 'MsgAppResp',
  requestVote: 'MsgVote',
  requestVoteResponse: 'MsgVoteResp',
  requestPreVote: 'MsgPreVote',
  requestPreVoteResponse: 'MsgPreVoteResp',
  heartbeat: 'MsgHeartbeat',
  heartbeatResponse: 'MsgHeartbeatResp',
  installSnapshot: 'MsgSnap',
  readIndex: 'MsgReadIndex',
  readIndexResponse: 'MsgReadIndexResp',
  transferLeader: 'MsgTransferLeader',
  timeoutNow: 'MsgTimeoutNow',
  propose: 'MsgProp',
  quiesce: 'MsgQuiesce',
  wake: 'MsgWake',
} as const satisfies Record<MessageType, string>

export const ROLE_NAMES = {
  follower: 'StateFollower',
  preCandidate: 'StatePreCandidate',
  candidate: 'StateCandidate',
  leader: 'StateLeader',
} as const satisfies Record<Role, string>

export const PROGRESS_NAMES = {
  probe: 'StateProbe',
  replicate: 'StateReplicate',
  snapshot: 'StateSnapshot',
} as const satisfies Record<Progress['state'], string>

const STEP_LETTERS = {
  addVoter: 'v',
  addLearner: 'l',
  remove: 'r',
  update: 'u',
} as const satisfies Record<ConfChangeType, string>

export const STEP_NAMES = {
  addVoter: 'ConfChangeAddNode',
  addLearner: 'ConfChangeAddLearnerNode',
  remove: 'ConfChangeRemoveNode',
  update: 'ConfChangeUpdateNode',
} as const satisfies Record<ConfChangeType, string>

/** `v1 l2 r3 u4`. */
export function stepsText(steps: readonly ConfChangeStep[]): string {
  return steps.map(({ type, replica }) => `${STEP_LETTERS[type]}${replica}`).join(' ')
}

/** Throws an Error for what is no list of steps. */
export function parseSteps(text: string): ConfChangeStep[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => {
      const type = stepType(word[0] ?? '')
      const replica = Number(word.slice(1))
      if (type === undefined || !Number.isInteger(replica)) throw new Error(`unknown configuration change ${word}`)
      return { type, replica }
    })
}

function stepType(letter: string): ConfChangeType | undefined {
  if (letter === 'v') return 'addVoter'
  if (letter === 'l') return 'addLearner'
  if (letter === 'r') return 'remove'
  return letter === 'u' ? 'update' : undefined
}
