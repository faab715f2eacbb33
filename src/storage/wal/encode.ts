/** Builds a frame from records: one new block for head and table, entry data by reference. */
import { type FrameIdentity, HEAD_BYTES, padding, sealFrame, viewOf } from './frame.ts'
import { type Footer, footerBytes, type RecordInput, recordBytes, writeFooter, writeRecord } from './records.ts'

export interface EncodedFrame {
  /** To be written one behind the other; entry data is the caller's own buffers. */
  readonly buffers: readonly Uint8Array[]
  readonly bytes: number
  readonly table: Uint8Array
  readonly records: number
  /** The chain of the next frame. */
  readonly headCrc: number
}

/** `footer`, if given, stands before the records. */
export function encodeFrame(id: FrameIdentity, inputs: readonly RecordInput[], footer?: Footer): EncodedFrame {
  let tableBytes = footer ? footerBytes(footer) : 0
  for (const input of inputs) tableBytes += recordBytes(input)
  const block = new Uint8Array(HEAD_BYTES + tableBytes)
  const view = viewOf(block)
  const buffers: Uint8Array[] = [block]
  let at = footer ? writeFooter(view, HEAD_BYTES, footer) : HEAD_BYTES
  for (const input of inputs) at = writeRecord(view, at, input, buffers)
  let bytes = 0
  for (const buffer of buffers) bytes += buffer.byteLength
  const records = inputs.length + (footer ? 1 : 0)
  const headCrc = sealFrame(block, id, records, bytes - block.byteLength)
  const fill = padding(bytes)
  if (fill.byteLength > 0) buffers.push(fill)
  return { buffers, bytes: bytes + fill.byteLength, table: block.subarray(HEAD_BYTES), records, headCrc }
}
