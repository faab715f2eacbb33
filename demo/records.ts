/** Lines of the demo's three files: what was produced, delivered and acknowledged, as the clients saw it. Times: epoch ms. */
export interface PlanLine {
  readonly type: 'plan'
  readonly tasks: number
}

export interface ProducedLine {
  readonly type: 'produced'
  readonly task: number
  readonly offset: string
  readonly partition: number
  readonly dueMs: number
  readonly sentMs: number
  readonly ackedMs: number
}

export interface DeliveredLine {
  readonly type: 'delivered'
  readonly task: number
  readonly offset: string
  readonly partition: number
  readonly consumer: string
  readonly dueMs: number
  /** By the leader's time. */
  readonly deliveredMs: number
  /** By the consumer's clock. */
  readonly receivedMs: number
  readonly deliveryCount: number
  readonly fence: number
  readonly leaseMs: number
  /** What the consumer then did; `drop` lets the lease run out. */
  readonly answer: 'ack' | 'nack' | 'drop'
}

/** In delivered.jsonl: a node was killed with SIGKILL. */
export interface KilledLine {
  readonly type: 'killed'
  readonly node: string
  readonly atMs: number
  /** The partition whose leader was to be killed. */
  readonly partition: number
  /** All partitions it led. */
  readonly led: readonly number[]
}

/** In delivered.jsonl: a consumer's stream on one partition broke, or stands (again). By the consumer's clock. */
export interface SessionLine {
  readonly type: 'session'
  readonly consumer: string
  readonly partition: number
  readonly event: 'attached' | 'broken'
  readonly atMs: number
  /** Until then a leader certainly had the session. */
  readonly confirmedMs: number
  /** What a session without a stream is given to come back. */
  readonly graceMs: number
}

export interface AckedLine {
  readonly type: 'acked'
  readonly task: number
  readonly offset: string
  readonly fence: number
  readonly ackedMs: number
}

/** In acked.jsonl: an ack was not answered in time, and is asked again. */
export interface UnansweredLine {
  readonly type: 'unanswered'
  readonly task: number
  readonly fence: number
  readonly atMs: number
}

/** In produced.jsonl, at the beginning and at the end: the sum of the partitions' terms. Each election makes it larger. */
export interface TermsLine {
  readonly type: 'terms'
  readonly sum: number
  readonly atMs: number
}

export type Line =
  | PlanLine
  | TermsLine
  | ProducedLine
  | DeliveredLine
  | KilledLine
  | SessionLine
  | AckedLine
  | UnansweredLine

export const FILES = { produced: 'produced.jsonl', delivered: 'delivered.jsonl', acked: 'acked.jsonl' } as const
