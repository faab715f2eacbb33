/**
 * What all dispatchers of a node share: how much memory bodies may take while they wait to be handed out, and how many
 * reads run at a time. Bounds are of the node, however many partitions, channels and groups it has.
 */
import { FLIGHT_BYTES_MAX, LOOK_AHEAD_BYTES_MAX, WINDOW_BYTES_MAX } from '../../../base/limits.ts'
import { JobSlots } from '../../../replication/job-slots.ts'
import { FlightRoom } from './flight-room.ts'
import { LookAheadBudget } from './look-ahead-budget.ts'

export interface DispatchMemory {
  readonly lookAhead: LookAheadBudget
  readonly flights: FlightRoom
  readonly reads: JobSlots
}

/** Reads for windows and redeliveries at a time; what each may bring is part of the look-ahead. */
const READS_MAX = 8

/** Bytes; by default those of base/limits.ts. */
export interface DispatchBounds {
  readonly lookAheadBytes?: number
  readonly flightBytes?: number
}

export function createDispatchMemory(bounds: DispatchBounds = {}): DispatchMemory {
  return {
    lookAhead: new LookAheadBudget(bounds.lookAheadBytes ?? LOOK_AHEAD_BYTES_MAX, WINDOW_BYTES_MAX),
    flights: new FlightRoom(bounds.flightBytes ?? FLIGHT_BYTES_MAX),
    reads: new JobSlots(READS_MAX),
  }
}
