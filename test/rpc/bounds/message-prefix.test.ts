import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MessagePrefix } from '../../../src/rpc/bounds/message-prefix.ts'

function framed(length: number): Buffer {
  const bytes = Buffer.alloc(5 + length, 7)
  bytes.writeUInt8(0, 0)
  bytes.writeUInt32BE(length, 1)
  return bytes
}

test('messages are counted when their last byte comes, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.nat(20), fc.constant(700)), { minLength: 1, maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 20 }),
      (lengths, cuts) => {
        const bytes = Buffer.concat(lengths.map(framed))
        const ends = lengths.map((_, i) => lengths.slice(0, i + 1).reduce((sum, length) => sum + 5 + length, 0))
        const prefix = new MessagePrefix()
        let whole = 0
        let at = 0
        for (let i = 0; at < bytes.length; i++) {
          const piece = bytes.subarray(at, at + (cuts[i % cuts.length] ?? 1))
          prefix.read(piece)
          const completed = lengths.filter((_, n) => Number(ends[n]) > at && Number(ends[n]) <= at + piece.length)
          at += piece.length
          whole += prefix.whole
          expect(prefix.whole).toBe(completed.length)
          expect(prefix.wholeBytes).toBe(completed.reduce((sum, length) => sum + length, 0))
          expect(prefix.between).toBe(ends.includes(at))
        }
        expect(whole).toBe(lengths.length)
      },
    ),
  )
})
