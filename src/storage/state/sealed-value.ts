/** A value on disk ends in a CRC-32 over its whole key and itself: LevelDB does not check what it reads. */
import { crc32 } from 'node:zlib'
import { SandglassError } from '../../base/errors.ts'

export const SEAL_BYTES = 4

/** The value as it was put. Throws INTERNAL when key or value are not what they were. */
export function openValue(key: Buffer, sealed: Buffer): Uint8Array {
  const end = sealed.byteLength - SEAL_BYTES
  const value = sealed.subarray(0, Math.max(end, 0))
  if (end < 0 || crc32(value, crc32(key)) !== sealed.readUInt32LE(end)) {
    throw new SandglassError('INTERNAL', `Cannot read state: row ${key.toString('hex')} is damaged`)
  }
  return value
}
