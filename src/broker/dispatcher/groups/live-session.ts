/** A consumer's stream (session.ts) or a Pull (pull.ts) as the dispatcher sees it. */
import type { SandglassError } from '../../../base/errors.ts'

export interface DeliveredMessage {
  readonly due: number
  readonly index: number
  readonly fence: number
  /** 1 for the first delivery to the group. */
  readonly count: number
  /** Encoded sandglass.v1.Body. */
  readonly body: Uint8Array
}

export interface LiveSession {
  /** 32 hex digits. */
  readonly id: string
  /** Infinity: endless. */
  readonly leaseMs: number
  /** Newest mark echoed so far; 0 for none. */
  readonly mark: number
  /** Order of arrival: whose turn comes after whose. */
  readonly seat: number
  /** Deliveries that may be in flight in all. */
  readonly credit: number
  /** Part of `credit` taken by deliveries that are proposed and not applied. Kept by the dispatcher. */
  proposed: number
  /** Its attach command was submitted; without that nothing is leased to it. */
  readonly attached: boolean
  /** Submits its attach command unless that was done. To be called before a deliver command for it is submitted. */
  attach(): void
  /** False while its stream takes no more. */
  writable(): boolean
  /** Does nothing once its stream has ended. `deliveredMs`: when the leases began. `mark`: the newest one echoed when the leases were proposed. */
  deliver(deliveredMs: number, mark: number, messages: readonly DeliveredMessage[]): void
  caughtUp(at: number): void
  /** The stream ends after it; the session is no longer known here. */
  end(error: SandglassError): void
}
