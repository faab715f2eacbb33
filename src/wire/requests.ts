// Is a request within the public limits (docs/semantics.md)? One function a method; each throws INVALID with the field.
// What needs the state of the cluster (does the topic exist? is this the leader?) is not asked here.
import { invalid } from '../base/errors.ts'
import { DELAY_MS_MAX, PARTITIONS_MAX, REPLICATION_FACTOR_MAX } from '../base/limits.ts'
import { checkName, checkNameOrEmpty, checkPartition, checkStart } from './fields.ts'
import {
  type AckRequest,
  type CreateTopicRequest,
  type DescribeGroupRequest,
  type FetchRequest,
  type GetMessageRequest,
  type ListGroupsRequest,
  type PullRequest,
  TopicKind,
  type TransferLeaderRequest,
} from './messages.ts'

/** Messages one Fetch gives when the request does not say, and at most. */
export const FETCH_LIMIT_DEFAULT = 100
const FETCH_LIMIT_MAX = 1000
/** Messages one Pull gives when the request does not say, and at most. */
export const PULL_MESSAGES_DEFAULT = 100
const PULL_MESSAGES_MAX = 1000
const PULL_WAIT_MS_MAX = 30_000
const OFFSET_TEXT = /^[0-9A-HJKMNP-TV-Z]{26}$/

export function checkCreateTopic(request: CreateTopicRequest): void {
  checkName(request.name, 'name', { reserved: false })
  between(request.partitions, 1, PARTITIONS_MAX, 'partitions')
  between(request.replicationFactor, 1, REPLICATION_FACTOR_MAX, 'replication_factor')
  if (!Object.values<number>(TopicKind).includes(request.kind)) throw invalid('kind', 'Cannot take kind: not known')
}

/** DescribeTopic and DeleteTopic. */
export function checkTopicName(request: { readonly name: string }): void {
  checkName(request.name, 'name', { reserved: true })
}

export function checkFetch(request: FetchRequest): void {
  checkName(request.topic, 'topic', { reserved: true })
  checkPartition(request.partition, 'partition')
  checkNameOrEmpty(request.channel, 'channel')
  between(request.limit, 0, FETCH_LIMIT_MAX, 'limit')
}

export function checkPull(request: PullRequest): void {
  checkName(request.topic, 'topic', { reserved: true })
  if (request.partition !== null) checkPartition(request.partition, 'partition')
  checkNameOrEmpty(request.channel, 'channel')
  checkName(request.group, 'group', { reserved: false })
  checkName(request.consumer, 'consumer', { reserved: false })
  between(request.maxMessages, 0, PULL_MESSAGES_MAX, 'max_messages')
  between(request.leaseMs, 0, DELAY_MS_MAX, 'lease_ms')
  between(request.waitMs, 0, PULL_WAIT_MS_MAX, 'wait_ms')
  checkStart(request.start)
}

/** Where an Ack, Nack or Extend without a stream belongs; what it settles is checked as in a stream. */
export function checkSettlePlace(request: Pick<AckRequest, 'topic' | 'partition' | 'channel' | 'group'>): void {
  checkName(request.topic, 'topic', { reserved: true })
  checkPartition(request.partition, 'partition')
  checkNameOrEmpty(request.channel, 'channel')
  checkName(request.group, 'group', { reserved: true })
}

/** Only the form of the offset; base/offset.ts decodes it. */
export function checkGetMessage(request: GetMessageRequest): void {
  checkName(request.topic, 'topic', { reserved: true })
  if (!OFFSET_TEXT.test(request.offset)) throw invalid('offset', 'Cannot take offset: not 26 characters of base32')
}

export function checkListGroups(request: ListGroupsRequest): void {
  checkNameOrEmpty(request.topic, 'topic')
}

export function checkDescribeGroup(request: DescribeGroupRequest): void {
  checkName(request.topic, 'topic', { reserved: true })
  checkNameOrEmpty(request.channel, 'channel')
  checkName(request.group, 'group', { reserved: true })
}

export function checkTransferLeader(request: TransferLeaderRequest): void {
  checkName(request.topic, 'topic', { reserved: true })
  checkPartition(request.partition, 'partition')
  checkName(request.to, 'to', { reserved: true })
}

function between(value: number, min: number, max: number, field: string): void {
  if (!(Number.isInteger(value) && value >= min && value <= max))
    throw invalid(field, `Cannot take ${field} ${value}: must be from ${min} to ${max}`)
}
