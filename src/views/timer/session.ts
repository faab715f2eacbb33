/** One session of a consumer in a group, with the head of the chain of its leases. */
export interface Session {
  readonly id: string
  readonly consumer: string
  /** Within the group, never used twice; sessions are told apart by it in rows. */
  readonly number: number
  leased: number
  /** Slot of one of its leases, the others follow by `next`; NONE without any. */
  head: number
}
