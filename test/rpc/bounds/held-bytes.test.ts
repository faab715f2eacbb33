import { Metadata } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { HeldBytes } from '../../../src/rpc/bounds/held-bytes.ts'

const KIB = 1024
/** As the socket is read: pieces lie in one buffer. */
const read64k = () => new Uint8Array(64 * KIB)

function books(): { bytes: HeldBytes; held: () => number } {
  let held = 0
  const bytes = new HeldBytes((more) => {
    held += more
  })
  return { bytes, held: () => held }
}

function prefix(length: number): Uint8Array {
  const bytes = Buffer.alloc(5)
  bytes.writeUInt32BE(length, 1)
  return bytes
}

test('one byte of a message counts the buffer that it keeps, once for all pieces in it', () => {
  const { bytes, held } = books()
  bytes.read(prefix(1000))
  const before = held()
  const buffer = read64k()
  bytes.read(buffer.subarray(0, 1))
  expect(held() - before).toBeGreaterThanOrEqual(64 * KIB)
  expect(held() - before).toBeLessThan(65 * KIB)
  bytes.read(buffer.subarray(1, 2))
  expect(held() - before).toBeLessThan(65 * KIB)
  bytes.read(read64k().subarray(0, 1))
  expect(held() - before).toBeGreaterThanOrEqual(128 * KIB)
})

test('a message cut into single bytes counts what the library keeps for each piece', () => {
  const { bytes, held } = books()
  bytes.read(prefix(1000))
  const buffer = read64k()
  for (let at = 0; at < 999; at++) bytes.read(buffer.subarray(at, at + 1))
  expect(held()).toBeGreaterThan(64 * KIB + 999 * 100)
})

test('a message that is whole counts its bytes until it is taken, and nothing after', () => {
  const { bytes, held } = books()
  bytes.read(prefix(100_000))
  bytes.read(new Uint8Array(60_000))
  expect(bytes.read(new Uint8Array(40_000))).toBe(1)
  expect(held()).toBeGreaterThanOrEqual(100_000)
  expect(held()).toBeLessThan(101_000)
  bytes.taken(100_000)
  expect(held()).toBe(0)
})

test('many small messages in one piece count more than their bytes, and nothing once they are taken', () => {
  const { bytes, held } = books()
  expect(bytes.read(new Uint8Array(5 * 1000))).toBe(1000)
  expect(held()).toBeGreaterThan(400_000)
  for (let i = 0; i < 1000; i++) bytes.taken(0)
  expect(held()).toBe(0)
})

test('one that was compressed may be larger than what came', () => {
  const { bytes, held } = books()
  bytes.read(new Uint8Array(10))
  bytes.taken(1_000_000)
  expect(held()).toBeGreaterThanOrEqual(0)
  bytes.taken(0)
  expect(held()).toBe(0)
})

test('an answer counts until the client has it, headers for as long as the call', () => {
  const { bytes, held } = books()
  const metadata = new Metadata()
  metadata.set('some-key', 'x'.repeat(5000))
  bytes.headers(metadata)
  expect(held()).toBe(5008)
  bytes.sending(3000)
  expect([held(), bytes.unsent]).toEqual([8008, true])
  bytes.sent(3000)
  expect([held(), bytes.unsent]).toEqual([5008, false])
})
