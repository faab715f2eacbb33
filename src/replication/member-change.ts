/**
 * A change of membership as the host sees it: the core's steps, and beside them where the added replicas are, which
 * travels as the change's context.
 */
import type { ReplicaId } from '../base/ids.ts'
import { GROUP_MEMBERS_MAX, ID_MAX } from '../base/limits.ts'
import type { ConfState } from '../base/log-entry.ts'
import type { ConfChange, ConfChangeStep } from '../raft/conf-change.ts'
import { ByteReader, ByteWriter, VARINT_BYTES_MAX } from './bytes.ts'
import type { Member } from './group.ts'

export interface MemberChange {
  /** One step is taken at once; several go through a joint configuration, which leaves by itself. */
  readonly steps: readonly ConfChangeStep[]
  /** Where the replicas named in `steps` are, as far as they are new. */
  readonly added: readonly Member[]
}

export function toConfChange({ steps, added }: MemberChange): ConfChange {
  const writer = new ByteWriter(VARINT_BYTES_MAX * (1 + 2 * added.length))
  writer.varint(added.length)
  for (const { replica, node } of added) {
    writer.varint(replica)
    writer.varint(node)
  }
  return { transition: 'auto', changes: steps, context: writer.finish() }
}

/** Whether `replica` does not vote any more after it. */
export function leavesBy({ steps }: MemberChange, replica: ReplicaId): boolean {
  return steps.some((step) => step.replica === replica && (step.type === 'remove' || step.type === 'addLearner'))
}

/** The members once `change` is applied and the configuration is `confState`. */
export function membersAfter(before: readonly Member[], change: ConfChange, confState: ConfState): readonly Member[] {
  const { voters, votersOutgoing, learners, learnersNext } = confState
  const stay = new Set([...voters, ...votersOutgoing, ...learners, ...learnersNext])
  const known = new Map(before.map((member) => [member.replica, member]))
  for (const member of addedBy(change)) known.set(member.replica, member)
  return [...known.values()].filter(({ replica }) => stay.has(replica))
}

/** Whether a change from another node can be read, and names replicas and nodes that there can be. Throws as reading does. */
export function isMemberChange(change: ConfChange): boolean {
  addedBy(change)
  return change.changes.length <= GROUP_MEMBERS_MAX && change.changes.every(({ replica }) => isId(replica))
}

function isId(replica: ReplicaId): boolean {
  return replica >= 1 && replica <= ID_MAX
}

function addedBy({ context }: ConfChange): Member[] {
  if (context.byteLength === 0) return []
  const reader = new ByteReader(context)
  const count = reader.number('added', GROUP_MEMBERS_MAX)
  const added: Member[] = []
  for (let i = 0; i < count; i++) {
    added.push({ replica: reader.number('added.replica', ID_MAX, 1), node: reader.number('added.node', ID_MAX, 1) })
  }
  reader.end()
  return added
}
