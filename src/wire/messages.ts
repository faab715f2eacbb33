// Generated from proto/ by bin/dev/proto-types.mjs; do not edit. A decoded message has every field: scalars their proto3
// default, absent messages and unset members of a oneof null. `B` is the type of a Body: decoded, or bytes on a server.

export const TopicKind = {
  /** timer */
  UNSPECIFIED: 0,
  TIMER: 1,
  KV: 2,
} as const
export type TopicKind = number

export const Start = {
  /** earliest */
  UNSPECIFIED: 0,
  EARLIEST: 1,
  LATEST: 2,
} as const
export type Start = number

export const MessageState = {
  UNSPECIFIED: 0,
  /** not yet due */
  SCHEDULED: 1,
  /** due, and no group had it yet */
  DUE: 2,
  /** handed out to some group at least once */
  FIRED: 3,
} as const
export type MessageState = number

export interface CreateTopicRequest {
  readonly name: string
  /** 1 to 1,024 */
  readonly partitions: number
  /** 1 to 7, at most the number of nodes */
  readonly replicationFactor: number
  readonly kind: TopicKind
}

export interface Partition {
  readonly id: number
  /** node name; empty: none known */
  readonly leader: string
  /** node names */
  readonly replicas: readonly string[]
  /** address of the leader */
  readonly leaderGrpc: string
}

export interface Topic {
  readonly name: string
  readonly kind: TopicKind
  readonly replicationFactor: number
  readonly partitions: readonly Partition[]
  /** nodes of its replicas that are not there, as far as the answering node knows */
  readonly missing: readonly string[]
}

export interface DescribeTopicRequest {
  readonly name: string
}

export type ListTopicsRequest = Readonly<Record<never, never>>

export interface ListTopicsResponse {
  readonly topics: readonly string[]
}

export interface DeleteTopicRequest {
  readonly name: string
}

export type DeleteTopicResponse = Readonly<Record<never, never>>

export interface Body {
  /** up to 4 KiB; empty: none */
  readonly key: Uint8Array
  /** up to 1 MiB */
  readonly value: Uint8Array
  /** up to 16 KiB in all */
  readonly headers: Readonly<Record<string, string>>
}

export interface NewMessage<B = Body> {
  readonly body: B | null
  /** empty: "master" */
  readonly channel: string
  /** from the leader's now */
  readonly delayMs: number | null
  readonly deliverAtMs: number | null
}

/** Sequences of one producer id and partition begin at 1 and have no gaps; a repeat is answered, not stored again. */
export interface Sequence {
  /** 1 to 64 bytes */
  readonly producerId: Uint8Array
  /** of the first message; the others follow */
  readonly first: number
}

export interface Position {
  readonly dueMs: number
  readonly index: number
}

export interface ProduceRequest<B = Body> {
  readonly topic: string
  /** 0-based; a client computes it from the key (docs/semantics.md) */
  readonly partition: number
  /** 1 to 1,024 */
  readonly messages: readonly NewMessage<B>[]
  readonly sequence: Sequence | null
}

/** Positions of all messages in order. The offset is due | index | partition (docs/formats.md). */
export interface ProduceResponse {
  readonly dueMs: readonly number[]
  readonly index: readonly number[]
}

export interface ProduceFrame<B = Body> {
  /** chosen by the client, echoed in the answer */
  readonly id: number
  readonly request: ProduceRequest<B> | null
}

export interface ProduceAnswer {
  readonly id: number
  readonly response: ProduceResponse | null
  readonly error: ErrorMessage | null
}

/** The error of one item of a stream; unary calls carry the same in google.rpc.ErrorInfo. */
export interface ErrorMessage {
  readonly reason: string
  readonly message: string
  readonly field: string
  /** gRPC address of the leader, for NOT_LEADER */
  readonly leader: string
}

export interface Held {
  readonly index: number
  readonly fence: number
}

export interface Subscribe {
  readonly topic: string
  readonly partition: number
  /** empty: "master" */
  readonly channel: string
  readonly group: string
  readonly consumer: string
  /** 16 random bytes, the same when reattaching */
  readonly session: Uint8Array
  /** 0: the node's default */
  readonly leaseMs: number
  /** leases never end by time */
  readonly endless: boolean
  /** deliveries that may be in flight; more come with Credit */
  readonly credit: number
  /** `holds` is what the session still has */
  readonly reattach: boolean
  readonly holds: readonly Held[]
  /** of a group that does not exist yet */
  readonly start: Start
}

export interface Ack {
  readonly id: number
  readonly index: readonly number[]
  readonly fence: readonly number[]
}

export interface Nack {
  readonly id: number
  readonly index: readonly number[]
  readonly fence: readonly number[]
  readonly delayMs: number
  /** up to 256 characters */
  readonly reason: string
  /** redelivered at its own place; delay_ms must be 0 */
  readonly keepPlace: boolean
}

export interface Extend {
  readonly id: number
  readonly index: readonly number[]
  readonly fence: readonly number[]
  /** from now */
  readonly leaseMs: number
}

export interface Credit {
  /** adds to what is left; an ack, nack or ended lease gives its credit back by itself */
  readonly more: number
}

/** A sign of life every 500 ms; the leader echoes the newest once a quorum confirmed it. */
export interface Mark {
  readonly id: number
}

export interface ConsumeRequest {
  /** first, once */
  readonly subscribe: Subscribe | null
  readonly ack: Ack | null
  readonly nack: Nack | null
  readonly extend: Extend | null
  readonly credit: Credit | null
  readonly mark: Mark | null
}

export interface Delivery<B = Body> {
  /** current position; with an offset's first position unless rescheduled */
  readonly dueMs: number
  readonly index: number
  readonly fence: number
  /** 1: first delivery to this group */
  readonly count: number
  readonly body: B | null
}

export interface Deliveries<B = Body> {
  /** leader's time at which the leases began: they end lease_ms later */
  readonly deliveredMs: number
  /** 0: endless */
  readonly leaseMs: number
  /** newest mark echoed when the leases were proposed */
  readonly mark: number
  readonly deliveries: readonly Delivery<B>[]
}

export interface Subscribed {
  readonly cursor: Position | null
  /** of `holds`, what is still this session's */
  readonly kept: readonly Held[]
}

/** Answer to an ack, nack or extend. */
export interface Settled {
  readonly id: number
  /** places in the request whose lease was not current (LEASE_LOST) */
  readonly lost: readonly number[]
  /** the whole request failed */
  readonly error: ErrorMessage | null
}

/** Nothing of the group is due now that is not held by somebody. Sent when that becomes so, if the consumer was given something since it last heard it. */
export interface CaughtUp {
  readonly atMs: number
}

export interface ConsumeResponse<B = Body> {
  readonly subscribed: Subscribed | null
  readonly deliveries: Deliveries<B> | null
  readonly settled: Settled | null
  readonly mark: Mark | null
  readonly caughtUp: CaughtUp | null
  /** NOT_LEADER, SESSION_REPLACED, SHUTTING_DOWN, ...; the stream ends after it */
  readonly end: ErrorMessage | null
}

export interface PullRequest {
  readonly topic: string
  /** absent: any that has something, those led by the asked node first */
  readonly partition: number | null
  /** empty: "master" */
  readonly channel: string
  readonly group: string
  /** who it is, for people; need not be unique */
  readonly consumer: string
  /** 1 to 1,000; 0: 100 */
  readonly maxMessages: number
  /** 0: the node's default */
  readonly leaseMs: number
  /** up to 30,000; 0: answers at once */
  readonly waitMs: number
  /** of a group that does not exist yet */
  readonly start: Start
}

/** Without deliveries: nothing became due in time. */
export interface PullResponse<B = Body> {
  readonly partition: number
  /** as in Deliveries */
  readonly deliveredMs: number
  readonly leaseMs: number
  readonly deliveries: readonly Delivery<B>[]
}

export interface AckRequest {
  readonly topic: string
  readonly partition: number
  readonly channel: string
  readonly group: string
  readonly index: readonly number[]
  readonly fence: readonly number[]
}

export interface NackRequest {
  readonly topic: string
  readonly partition: number
  readonly channel: string
  readonly group: string
  readonly index: readonly number[]
  readonly fence: readonly number[]
  readonly delayMs: number
  /** up to 256 characters */
  readonly reason: string
  /** redelivered at its own place; delay_ms must be 0 */
  readonly keepPlace: boolean
}

export interface ExtendRequest {
  readonly topic: string
  readonly partition: number
  readonly channel: string
  readonly group: string
  readonly index: readonly number[]
  readonly fence: readonly number[]
  /** from now */
  readonly leaseMs: number
}

export interface SettleResponse {
  /** places in the request whose lease was not current */
  readonly lost: readonly number[]
}

export interface FetchRequest {
  readonly topic: string
  readonly partition: number
  readonly channel: string
  /** inclusive; absent: the earliest */
  readonly from: Position | null
  /** inclusive; absent: the latest */
  readonly to: Position | null
  /** 1 to 1,000; 0: 100 */
  readonly limit: number
}

export interface StoredMessage<B = Body> {
  readonly dueMs: number
  readonly index: number
  readonly channel: string
  readonly body: B | null
}

export interface FetchResponse<B = Body> {
  readonly messages: readonly StoredMessage<B>[]
  /** continue behind the last position */
  readonly more: boolean
}

export interface GetMessageRequest {
  readonly topic: string
  /** 26 characters */
  readonly offset: string
}

export interface GetMessageResponse<B = Body> {
  readonly message: StoredMessage<B> | null
  readonly state: MessageState
}

export interface ListGroupsRequest {
  /** empty: all topics */
  readonly topic: string
}

export interface GroupRef {
  readonly topic: string
  readonly channel: string
  readonly group: string
}

export interface ListGroupsResponse {
  readonly groups: readonly GroupRef[]
}

export interface DescribeGroupRequest {
  readonly topic: string
  readonly channel: string
  readonly group: string
}

export interface GroupPartition {
  readonly id: number
  readonly consumed: Position | null
  readonly committed: Position | null
  readonly leased: number
  /** for redelivery */
  readonly waiting: number
  /** due and never handed out */
  readonly due: number
}

export interface DescribeGroupResponse {
  readonly topic: string
  readonly channel: string
  readonly group: string
  readonly partitions: readonly GroupPartition[]
}

export interface Node {
  readonly name: string
  readonly grpc: string
  readonly alive: boolean
  readonly id: number
  readonly version: string
}

export interface StatusRequest {
  /** this node's own view only, asked by other nodes */
  readonly local: boolean
}

export interface AppliedIndex {
  readonly node: string
  readonly index: number
}

export interface PartitionStatus {
  readonly topic: string
  readonly id: number
  readonly leader: string
  readonly term: number
  readonly commit: number
  readonly applied: readonly AppliedIndex[]
}

export interface Damage {
  readonly node: string
  /** log: replicas lost for good; state: they wait for a snapshot */
  readonly part: string
  readonly file: string
  readonly offset: number
  /** Raft groups */
  readonly groups: readonly number[]
  /** of the log: groups that it does not know any more are concerned as well */
  readonly anyGroup: boolean
  readonly reason: string
}

export interface StatusResponse {
  /** its first eight digits */
  readonly clusterId: string
  readonly nodes: readonly Node[]
  readonly partitions: readonly PartitionStatus[]
  readonly damage: readonly Damage[]
}

export type ListNodesRequest = Readonly<Record<never, never>>

export interface ListNodesResponse {
  readonly nodes: readonly Node[]
}

export interface TransferLeaderRequest {
  readonly topic: string
  readonly partition: number
  /** node name */
  readonly to: string
}

export type TransferLeaderResponse = Readonly<Record<never, never>>

export interface Any {
  readonly type_url: string
  readonly value: Uint8Array
}

export interface RpcStatus {
  readonly code: number
  readonly message: string
  readonly details: readonly Any[]
}

export interface RpcErrorInfo {
  readonly reason: string
  /** "sandglass" */
  readonly domain: string
  /** field, leader */
  readonly metadata: Readonly<Record<string, string>>
}

/** Every message by its name here. */
export interface Messages<B = Body> {
  CreateTopicRequest: CreateTopicRequest
  Partition: Partition
  Topic: Topic
  DescribeTopicRequest: DescribeTopicRequest
  ListTopicsRequest: ListTopicsRequest
  ListTopicsResponse: ListTopicsResponse
  DeleteTopicRequest: DeleteTopicRequest
  DeleteTopicResponse: DeleteTopicResponse
  Body: B
  NewMessage: NewMessage<B>
  Sequence: Sequence
  Position: Position
  ProduceRequest: ProduceRequest<B>
  ProduceResponse: ProduceResponse
  ProduceFrame: ProduceFrame<B>
  ProduceAnswer: ProduceAnswer
  ErrorMessage: ErrorMessage
  Held: Held
  Subscribe: Subscribe
  Ack: Ack
  Nack: Nack
  Extend: Extend
  Credit: Credit
  Mark: Mark
  ConsumeRequest: ConsumeRequest
  Delivery: Delivery<B>
  Deliveries: Deliveries<B>
  Subscribed: Subscribed
  Settled: Settled
  CaughtUp: CaughtUp
  ConsumeResponse: ConsumeResponse<B>
  PullRequest: PullRequest
  PullResponse: PullResponse<B>
  AckRequest: AckRequest
  NackRequest: NackRequest
  ExtendRequest: ExtendRequest
  SettleResponse: SettleResponse
  FetchRequest: FetchRequest
  StoredMessage: StoredMessage<B>
  FetchResponse: FetchResponse<B>
  GetMessageRequest: GetMessageRequest
  GetMessageResponse: GetMessageResponse<B>
  ListGroupsRequest: ListGroupsRequest
  GroupRef: GroupRef
  ListGroupsResponse: ListGroupsResponse
  DescribeGroupRequest: DescribeGroupRequest
  GroupPartition: GroupPartition
  DescribeGroupResponse: DescribeGroupResponse
  Node: Node
  StatusRequest: StatusRequest
  AppliedIndex: AppliedIndex
  PartitionStatus: PartitionStatus
  Damage: Damage
  StatusResponse: StatusResponse
  ListNodesRequest: ListNodesRequest
  ListNodesResponse: ListNodesResponse
  TransferLeaderRequest: TransferLeaderRequest
  TransferLeaderResponse: TransferLeaderResponse
  Any: Any
  RpcStatus: RpcStatus
  RpcErrorInfo: RpcErrorInfo
}

/** Names here to full names in proto/. */
export const FULL_NAMES = {
  CreateTopicRequest: 'sandglass.v1.CreateTopicRequest',
  Partition: 'sandglass.v1.Partition',
  Topic: 'sandglass.v1.Topic',
  DescribeTopicRequest: 'sandglass.v1.DescribeTopicRequest',
  ListTopicsRequest: 'sandglass.v1.ListTopicsRequest',
  ListTopicsResponse: 'sandglass.v1.ListTopicsResponse',
  DeleteTopicRequest: 'sandglass.v1.DeleteTopicRequest',
  DeleteTopicResponse: 'sandglass.v1.DeleteTopicResponse',
  Body: 'sandglass.v1.Body',
  NewMessage: 'sandglass.v1.NewMessage',
  Sequence: 'sandglass.v1.Sequence',
  Position: 'sandglass.v1.Position',
  ProduceRequest: 'sandglass.v1.ProduceRequest',
  ProduceResponse: 'sandglass.v1.ProduceResponse',
  ProduceFrame: 'sandglass.v1.ProduceFrame',
  ProduceAnswer: 'sandglass.v1.ProduceAnswer',
  ErrorMessage: 'sandglass.v1.Error',
  Held: 'sandglass.v1.Held',
  Subscribe: 'sandglass.v1.Subscribe',
  Ack: 'sandglass.v1.Ack',
  Nack: 'sandglass.v1.Nack',
  Extend: 'sandglass.v1.Extend',
  Credit: 'sandglass.v1.Credit',
  Mark: 'sandglass.v1.Mark',
  ConsumeRequest: 'sandglass.v1.ConsumeRequest',
  Delivery: 'sandglass.v1.Delivery',
  Deliveries: 'sandglass.v1.Deliveries',
  Subscribed: 'sandglass.v1.Subscribed',
  Settled: 'sandglass.v1.Settled',
  CaughtUp: 'sandglass.v1.CaughtUp',
  ConsumeResponse: 'sandglass.v1.ConsumeResponse',
  PullRequest: 'sandglass.v1.PullRequest',
  PullResponse: 'sandglass.v1.PullResponse',
  AckRequest: 'sandglass.v1.AckRequest',
  NackRequest: 'sandglass.v1.NackRequest',
  ExtendRequest: 'sandglass.v1.ExtendRequest',
  SettleResponse: 'sandglass.v1.SettleResponse',
  FetchRequest: 'sandglass.v1.FetchRequest',
  StoredMessage: 'sandglass.v1.StoredMessage',
  FetchResponse: 'sandglass.v1.FetchResponse',
  GetMessageRequest: 'sandglass.v1.GetMessageRequest',
  GetMessageResponse: 'sandglass.v1.GetMessageResponse',
  ListGroupsRequest: 'sandglass.v1.ListGroupsRequest',
  GroupRef: 'sandglass.v1.GroupRef',
  ListGroupsResponse: 'sandglass.v1.ListGroupsResponse',
  DescribeGroupRequest: 'sandglass.v1.DescribeGroupRequest',
  GroupPartition: 'sandglass.v1.GroupPartition',
  DescribeGroupResponse: 'sandglass.v1.DescribeGroupResponse',
  Node: 'sandglass.v1.Node',
  StatusRequest: 'sandglass.v1.StatusRequest',
  AppliedIndex: 'sandglass.v1.AppliedIndex',
  PartitionStatus: 'sandglass.v1.PartitionStatus',
  Damage: 'sandglass.v1.Damage',
  StatusResponse: 'sandglass.v1.StatusResponse',
  ListNodesRequest: 'sandglass.v1.ListNodesRequest',
  ListNodesResponse: 'sandglass.v1.ListNodesResponse',
  TransferLeaderRequest: 'sandglass.v1.TransferLeaderRequest',
  TransferLeaderResponse: 'sandglass.v1.TransferLeaderResponse',
  Any: 'google.protobuf.Any',
  RpcStatus: 'google.rpc.Status',
  RpcErrorInfo: 'google.rpc.ErrorInfo',
} as const satisfies Record<keyof Messages, string>

/** Every service and method. */
export const SERVICES = {
  Topics: {
    CreateTopic: {
      path: '/sandglass.v1.Topics/CreateTopic',
      request: 'CreateTopicRequest',
      response: 'Topic',
      requestStream: false,
      responseStream: false,
    },
    DescribeTopic: {
      path: '/sandglass.v1.Topics/DescribeTopic',
      request: 'DescribeTopicRequest',
      response: 'Topic',
      requestStream: false,
      responseStream: false,
    },
    ListTopics: {
      path: '/sandglass.v1.Topics/ListTopics',
      request: 'ListTopicsRequest',
      response: 'ListTopicsResponse',
      requestStream: false,
      responseStream: false,
    },
    DeleteTopic: {
      path: '/sandglass.v1.Topics/DeleteTopic',
      request: 'DeleteTopicRequest',
      response: 'DeleteTopicResponse',
      requestStream: false,
      responseStream: false,
    },
  },
  Queue: {
    Produce: {
      path: '/sandglass.v1.Queue/Produce',
      request: 'ProduceRequest',
      response: 'ProduceResponse',
      requestStream: false,
      responseStream: false,
    },
    ProduceStream: {
      path: '/sandglass.v1.Queue/ProduceStream',
      request: 'ProduceFrame',
      response: 'ProduceAnswer',
      requestStream: true,
      responseStream: true,
    },
    Consume: {
      path: '/sandglass.v1.Queue/Consume',
      request: 'ConsumeRequest',
      response: 'ConsumeResponse',
      requestStream: true,
      responseStream: true,
    },
    Pull: {
      path: '/sandglass.v1.Queue/Pull',
      request: 'PullRequest',
      response: 'PullResponse',
      requestStream: false,
      responseStream: false,
    },
    Ack: {
      path: '/sandglass.v1.Queue/Ack',
      request: 'AckRequest',
      response: 'SettleResponse',
      requestStream: false,
      responseStream: false,
    },
    Nack: {
      path: '/sandglass.v1.Queue/Nack',
      request: 'NackRequest',
      response: 'SettleResponse',
      requestStream: false,
      responseStream: false,
    },
    Extend: {
      path: '/sandglass.v1.Queue/Extend',
      request: 'ExtendRequest',
      response: 'SettleResponse',
      requestStream: false,
      responseStream: false,
    },
    Fetch: {
      path: '/sandglass.v1.Queue/Fetch',
      request: 'FetchRequest',
      response: 'FetchResponse',
      requestStream: false,
      responseStream: false,
    },
    GetMessage: {
      path: '/sandglass.v1.Queue/GetMessage',
      request: 'GetMessageRequest',
      response: 'GetMessageResponse',
      requestStream: false,
      responseStream: false,
    },
    ListGroups: {
      path: '/sandglass.v1.Queue/ListGroups',
      request: 'ListGroupsRequest',
      response: 'ListGroupsResponse',
      requestStream: false,
      responseStream: false,
    },
    DescribeGroup: {
      path: '/sandglass.v1.Queue/DescribeGroup',
      request: 'DescribeGroupRequest',
      response: 'DescribeGroupResponse',
      requestStream: false,
      responseStream: false,
    },
  },
  Cluster: {
    Status: {
      path: '/sandglass.v1.Cluster/Status',
      request: 'StatusRequest',
      response: 'StatusResponse',
      requestStream: false,
      responseStream: false,
    },
    ListNodes: {
      path: '/sandglass.v1.Cluster/ListNodes',
      request: 'ListNodesRequest',
      response: 'ListNodesResponse',
      requestStream: false,
      responseStream: false,
    },
    TransferLeader: {
      path: '/sandglass.v1.Cluster/TransferLeader',
      request: 'TransferLeaderRequest',
      response: 'TransferLeaderResponse',
      requestStream: false,
      responseStream: false,
    },
  },
} as const
