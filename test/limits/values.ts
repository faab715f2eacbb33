/** Values at and beyond every limit of the house, for property tests that feed them to whatever takes a number or a text. */
import fc from 'fast-check'

/** Whole ones below 2^53. */
export const WHOLE = [
  ...[0, 1, 2, 15, 16, 17, 127, 128, 129, 255, 256, 257, 1000, 1023, 1024, 1025, 10_000, 10_001, 30_000, 30_001],
  ...[65_535, 65_536, 100_000, 100_001, 316_224_000_000, 316_224_000_001],
  ...[2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 48 - 1, 2 ** 48, 2 ** 52 - 1, 2 ** 52, 2 ** 53 - 1],
] as const

const STRANGE = [-1, -0, 0.5, 1.5, -(2 ** 31), 2 ** 53, 2 ** 64, 1e308, Number.NaN, Infinity, -Infinity] as const

export const number: fc.Arbitrary<number> = fc.oneof(fc.constantFrom(...WHOLE), fc.constantFrom(...STRANGE))

/** Of one to four bytes a character. */
const character = fc.constantFrom('a', 'Z', '.', '_', '-', ' ', '\0', '"', 'ß', '語', '🕰', '\ud800')

export const text: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '',
    'orders',
    '__mine',
    'a b',
    '../x',
    'x'.repeat(128),
    'x'.repeat(129),
    '1',
    '05E4ECYW2G0G40R40000A1G710',
  ),
  fc
    .tuple(character, fc.constantFrom(1, 64, 65, 128, 129, 255, 256, 257, 4096, 4097, 16_384))
    .map(([c, n]) => c.repeat(n)),
)

export const bytes: fc.Arbitrary<Uint8Array> = fc
  .constantFrom(0, 1, 15, 16, 17, 64, 65, 4096, 4097)
  .map((length) => new Uint8Array(length).fill(97))

/** Anything at all, as a program without types may pass it. */
export const anything: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: number },
  { weight: 2, arbitrary: text },
  bytes,
  fc.constantFrom(
    null,
    true,
    7n,
    Symbol('s'),
    () => 1,
    new Date(Number.NaN),
    new Date(8.64e15),
    [],
    {},
    ['a'],
    [Number.NaN],
  ),
)
