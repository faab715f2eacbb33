/** One session of a consumer in a group, with the head of the chain of its leases. */
import type { TimerEffect } from './commands.ts'

export interface Session {
  readonly id: string
  readonly consumer: string
  /** Within the group, never used twice; sessions are told apart by it in rows. */
  readonly number: number
  leased: number
  /** Slot of one of its leases, the others follow by `next`; NONE without any. */
  head: number
  /** The effect of the commands that end leases of it alone, made once. */
  readonly leasesEnded: readonly TimerEffect[]
}
