/** What a port takes from clients that nobody vouches for, and how much of it is taken. */
import {
  CONNECTIONS_MAX,
  FRAME_MS_MAX,
  STREAMS_MAX,
  STREAMS_PER_CONNECTION_MAX,
  UNARY_MS_MAX,
  UNFINISHED_BYTES_MAX,
} from '../../base/limits.ts'

export interface Bounds {
  /** Open at a time. */
  readonly connections: number
  readonly streamsPerConnection: number
  /** Of all connections together. */
  readonly streams: number
  /** Requests that have begun and are not whole, and answers that are not taken, of all streams together. */
  readonly unfinishedBytes: number
  /** Until a stream's first frame, and from the first byte of any frame to its last. */
  readonly frameMs: number
  /** From the first header of a unary call to its answer. */
  readonly unaryMs: number
}

export const DEFAULT_BOUNDS: Bounds = {
  connections: CONNECTIONS_MAX,
  streamsPerConnection: STREAMS_PER_CONNECTION_MAX,
  streams: STREAMS_MAX,
  unfinishedBytes: UNFINISHED_BYTES_MAX,
  frameMs: FRAME_MS_MAX,
  unaryMs: UNARY_MS_MAX,
}

/** Whose bound it was: connections and streams that were not let in or gave way, requests too many bytes or too slow. */
export type BoundName = 'connections' | 'streams' | 'bytes' | 'time'

export interface BoundsStats {
  readonly connections: number
  readonly streams: number
  readonly unfinishedBytes: number
  /** Since the start. */
  readonly refused: Readonly<Record<BoundName, number>>
}
