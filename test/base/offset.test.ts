import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SandglassError } from '../../src/base/errors.ts'
import { DUE_MS_MAX } from '../../src/base/limits.ts'
import { decodeOffset, encodeOffset, encodeOffsetWords } from '../../src/base/offset.ts'

const anyOffset = fc.record({
  due: fc.integer({ min: 0, max: DUE_MS_MAX }),
  index: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  partition: fc.integer({ min: 0, max: 0xffff }),
})

/** The format as its definition says it, with a BigInt. */
function slow(offset: { due: number; index: number; partition: number }): string {
  const all = ((BigInt(offset.due) << 80n) | (BigInt(offset.index) << 16n) | BigInt(offset.partition)) << 2n
  const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
  return Array.from({ length: 26 }, (_, i) => alphabet[Number((all >> BigInt((25 - i) * 5)) & 31n)]).join('')
}

describe('offset', () => {
  test('the test vector of the architecture is met', () => {
    // 015c4733dc14 | 0102030400000506 | 0708
    expect(encodeOffsetWords(0x015c4733dc14, 0x01020304, 0x00000506, 0x0708)).toBe('05E4ECYW2G0G40R40000A1G710')
  })

  test('every offset is written as the definition says', () => {
    fc.assert(fc.property(anyOffset, (offset) => encodeOffset(offset) === slow(offset)))
  })

  test('every offset reads back', () => {
    fc.assert(
      fc.property(anyOffset, (offset) => {
        expect(decodeOffset(encodeOffset(offset))).toEqual(offset)
      }),
    )
  })

  test('offsets sort as text like due, index, partition', () => {
    const compare = (a: readonly number[], b: readonly number[]): number => {
      const at = a.findIndex((value, i) => value !== b[i])
      return at < 0 ? 0 : Math.sign((a[at] ?? 0) - (b[at] ?? 0))
    }
    fc.assert(
      fc.property(anyOffset, anyOffset, (a, b) => {
        const [left, right] = [encodeOffset(a), encodeOffset(b)]
        const byText = left < right ? -1 : left > right ? 1 : 0
        expect(byText).toBe(compare([a.due, a.index, a.partition], [b.due, b.index, b.partition]))
      }),
    )
  })

  test.each([
    ['', 'empty'],
    ['05E4ECYW2G0G40R40000A1G71', 'too short'],
    ['05E4ECYW2G0G40R40000A1G7100', 'too long'],
    ['05e4ecyw2g0g40r40000a1g710', 'lower case'],
    ['05E4ECYW200040R40000A1G71U', 'a letter outside the alphabet'],
    ['05E4ECYW200040R40000A1Gé10', 'a character outside ASCII'],
    ['05E4ECYW200040R40000A1G711', 'padding bits set'],
    ['05E4ECYW2G0G40R40000A1G710', 'an index beyond 2^53'],
  ])('%s is refused: %s', (text) => {
    try {
      decodeOffset(text)
      expect.unreachable('accepted')
    } catch (error) {
      expect(error).toBeInstanceOf(SandglassError)
      if (error instanceof SandglassError) expect([error.reason, error.field]).toEqual(['INVALID', 'offset'])
    }
  })
})
