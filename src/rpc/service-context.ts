/** What every service is given, and what every call knows. */
import type { Budget } from '../base/budget.ts'
import type { Env } from '../base/env.ts'
import type { InTurns } from '../base/in-turns.ts'
import type { Directory } from '../broker/directory.ts'
import type { Broker } from '../broker/types.ts'
import type { ErrorCodec } from '../wire/errors.ts'
import type { Wire } from '../wire/wire.ts'
import type { OwnDamage } from './api-types.ts'
import type { NodeChannels } from './node-channels.ts'
import type { Outflow } from './outflow.ts'

export interface ServiceContext {
  readonly env: Env
  readonly broker: Broker
  readonly directory: Directory
  readonly damage: () => readonly OwnDamage[]
  readonly wire: Wire<Uint8Array>
  readonly errors: ErrorCodec
  readonly channels: NodeChannels
  /** What all streams of the node share. */
  readonly budgets: StreamBudgets
}

export interface StreamBudgets {
  /** Frames to consumers, and of streams that are passed on. */
  readonly outflow: Budget
  /** Frames of producers on their way to other nodes. */
  readonly passing: Budget
  /** Who writes the former, so many in a turn. */
  readonly writes: InTurns<Outflow>
}

export interface CallContext {
  /** Monotonic ms. */
  readonly deadline: number
  /** Another node passed it on for this partition: answer it here or not at all. */
  readonly forwardedFor: number | undefined
  /** The request as it came, for passing on. */
  readonly raw: Buffer
  /** `listener` is called when nobody waits for the answer any more: cancelled, disconnected, or past its deadline. */
  readonly onCancel: (listener: () => void) => void
  /** Whether anybody still waits for the answer. */
  readonly wanted: () => boolean
  /** Path of the method, `/package.Service/Method`. */
  readonly path: string
}
