/** Builds a frame from records: one new block for head and table, entry data by reference. */
import { type FrameIdentity, HEAD_BYTES, padding, sealFrame, viewOf } from './frame.ts'
import {
  extrasBytes,
  extrasCount,
  type FrameExtras,
  type RecordInput,
  recordBytes,
  writeExtras,
  writeRecord,
} from './records.ts'

export interface EncodedFrame {
  /** To be written one behind the other; entry data is the caller's own buffers. */
  readonly buffers: readonly Uint8Array[]
  readonly bytes: number
  readonly table: Uint8Array
  readonly records: number
  /** The chain of the next frame. */
  readonly headCrc: number
}

/** `extras` stand before the records. */
export function encodeFrame(id: FrameIdentity, inputs: readonly RecordInput[], extras: FrameExtras): EncodedFrame {
  let tableBytes = extrasBytes(extras)
  for (const input of inputs) tableBytes += recordBytes(input)
  const block = new Uint8Array(HEAD_BYTES + tableBytes)
  const view = viewOf(block)
  const buffers: Uint8Array[] = [block]
  let at = writeExtras(view, HEAD_BYTES, extras)
  for (const input of inputs) at = writeRecord(view, at, input, buffers)
  let bytes = 0
  for (const buffer of buffers) bytes += buffer.byteLength
  const records = inputs.length + extrasCount(extras)
  const headCrc = sealFrame(block, id, records, bytes - block.byteLength)
  const fill = padding(bytes)
  if (fill.byteLength > 0) buffers.push(fill)
  return { buffers, bytes: bytes + fill.byteLength, table: block.subarray(HEAD_BYTES), records, headCrc }
}
