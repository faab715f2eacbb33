import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { describe, expect, test } from 'vitest'
import { SandglassError } from '../../../src/base/errors.ts'
import { decodeBody, encodeBody } from '../../../src/rpc/peer/wire.ts'

const proto = protobuf.parse(readFileSync(new URL('../../../proto/sandglass/v1/peer.proto', import.meta.url), 'utf8'))
const body = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(new Uint8Array(20_000).fill(7)))

describe('a peer message', () => {
  test('is on the wire what the proto says', () => {
    for (const name of ['Frame', 'SnapshotChunk']) {
      const type = proto.root.lookupType(`sandglass.v1.${name}`)
      fc.assert(
        fc.property(body, (bytes) => {
          const decoded = type.decode(encodeBody(bytes)) as protobuf.Message & { version: number; body: Uint8Array }
          expect(decoded.version).toBe(1)
          expect([...decoded.body]).toEqual([...bytes])
          const encoded = Buffer.from(type.encode({ version: 1, body: bytes }).finish())
          if (bytes.byteLength > 0) expect([...decodeBody(encoded)]).toEqual([...bytes])
        }),
      )
    }
  })

  test('of another version, cut short or with bytes left over is refused', () => {
    const message = encodeBody(Uint8Array.of(1, 2, 3))
    const refused = (bytes: Uint8Array) => expect(() => decodeBody(Buffer.from(bytes))).toThrow(SandglassError)
    for (let end = 0; end < message.byteLength; end++) refused(message.subarray(0, end))
    refused(Uint8Array.from([...message, 0]))
    refused(Uint8Array.from([8, 2, ...message.subarray(2)]))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
        try {
          decodeBody(Buffer.from(bytes))
        } catch (error) {
          expect(error).toBeInstanceOf(SandglassError)
        }
      }),
    )
  })
})
