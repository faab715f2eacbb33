/**
 * A value on disk ends in four bytes: CRC-32 over the value, begun with the FNV-1a hash of its whole key. LevelDB does
 * not check what it reads. Every change of one byte of the key changes the hash, and every change of that the CRC.
 */
import { crc32 } from 'node:zlib'
import { SandglassError } from '../../base/errors.ts'

export const SEAL_BYTES = 4
const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

/** The four bytes of a key and its value, as a number below 2^32. */
export function sealOf(key: Uint8Array, value: Uint8Array): number {
  let hash = FNV_OFFSET
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ (key[i] as number), FNV_PRIME)
  return crc32(value, hash >>> 0)
}

/** The value as it was put. Throws INTERNAL when key or value are not what they were. */
export function openValue(key: Buffer, sealed: Buffer): Uint8Array {
  const end = sealed.byteLength - SEAL_BYTES
  const value = sealed.subarray(0, Math.max(end, 0))
  if (end < 0 || sealOf(key, value) !== sealed.readUInt32LE(end)) {
    throw new SandglassError('INTERNAL', `Cannot read state: row ${key.toString('hex')} is damaged`)
  }
  return value
}
