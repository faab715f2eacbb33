/** The public gRPC server as the composition root sees it. */
import type { Env } from '../base/env.ts'
import type { GroupId } from '../base/ids.ts'
import type { Directory } from '../broker/directory.ts'
import type { Broker } from '../broker/types.ts'
import type { Bounds, BoundsStats } from './bounds/types.ts'

/** Damage of this node's disk that is not mended, as Status tells it. */
export interface OwnDamage {
  readonly part: 'log' | 'state'
  readonly file: string
  readonly offset: number
  readonly groups: readonly GroupId[]
  readonly anyGroup: boolean
  readonly reason: string
}

export interface ApiServerOptions {
  readonly env: Env
  /** What the node waits for before it serves, in words: for whoever calls before `open`. */
  readonly starting?: () => string
  /** Default: DEFAULT_BOUNDS. */
  readonly bounds?: Bounds
  /** One finished call: method name without package, gRPC code, ms. For metrics; never carries payload. */
  readonly onCall?: (method: string, code: number, handlingMs: number) => void
  /** Something unexpected, told to a client as INTERNAL without its text. */
  readonly onInternal?: (error: unknown) => void
}

/** What the services work with. */
export interface ApiParts {
  readonly broker: Broker
  readonly directory: Directory
  /** Default: none. */
  readonly damage?: () => readonly OwnDamage[]
}

export interface ApiServer {
  /** Binds `host:port` (port 0: any) and resolves the port; rejects when it is taken. */
  listen(address: string): Promise<number>
  /** From now on calls are served; before, they are refused with UNREACHABLE and what the node waits for. */
  open(parts: ApiParts): void
  /** How much of its bounds is taken. */
  stats(): BoundsStats
  /** What grpc.health.v1 answers from now on: SERVING or NOT_SERVING. */
  setServing(serving: boolean): void
  /** Stops accepting, ends streams with SHUTTING_DOWN, waits for unary calls at most `deadlineMs`. */
  drain(deadlineMs: number): Promise<void>
  /** Ends everything now. Idempotent. */
  close(): void
}
