/**
 * The clock of a frame: the sender's wall clock, and what bounds how old that reading is when it arrives. Each frame gives
 * back the receiver's own last stamp and how long it lay here: what is missing between the two was spent on the way, both
 * ways together, in queues and in the network. (NTP's on-wire protocol, RFC 5905 section 8, with its four times.)
 */
import { ID_MAX } from '../../base/limits.ts'
import { type ByteReader, type ByteWriter, VARINT_BYTES_MAX } from '../bytes.ts'

export interface FrameClock {
  /** Sender's wall clock when it encoded the frame, ms. */
  readonly wallMs: number
  /** The sender's mark of that moment, 48 bits: says nothing to anybody else. */
  readonly stamp: number
  /** The last stamp that the sender had from the receiver; undefined: none yet. */
  readonly echo?: Echo | undefined
}

export interface Echo {
  readonly stamp: number
  /** How long it lay at the sender, ms; rounded down. */
  readonly heldMs: number
}

/** Two times, whether an echo follows, and it. */
export const CLOCK_BYTES_MAX = 6 + 6 + VARINT_BYTES_MAX + 6

export function writeClock(writer: ByteWriter, { wallMs, stamp, echo }: FrameClock): void {
  writer.time(wallMs)
  writer.time(stamp)
  writer.varint(echo === undefined ? 0 : Math.floor(echo.heldMs) + 1)
  if (echo !== undefined) writer.time(echo.stamp)
}

export function readClock(reader: ByteReader): FrameClock {
  const wallMs = reader.time()
  const stamp = reader.time()
  const held = reader.number('held', ID_MAX)
  if (held === 0) return { wallMs, stamp }
  return { wallMs, stamp, echo: { stamp: reader.time(), heldMs: held - 1 } }
}
