/** A small JSON file that tells by itself whether it is whole: `{format, crc, ...content}` (docs/formats.md). */
import { crc32 } from 'node:zlib'
import { SandglassError } from '../base/errors.ts'

/** `crc` is CRC-32 of the JSON text, without white space, of the format and the values of `content` in their order. */
export function sealJson(format: number, content: object): string {
  return JSON.stringify({ format, crc: crcOf(format, content), ...content })
}

interface Expected<T> {
  /** The names of the content by format, in the order in which it was sealed; the last format is the own. */
  readonly formats: Readonly<Record<number, readonly (keyof T & string)[]>>
  /** For the error. */
  readonly path: string
}

/**
 * The content, of the own format or an earlier one, which has fewer names; undefined if it is damaged, names included.
 * Throws UNSUPPORTED for a format of a later version.
 */
export function unsealJson<T extends object>(text: string, { formats, path }: Expected<T>): T | undefined {
  const { format, crc, ...content } = parse(text) ?? {}
  if (crc === undefined || crc !== crcOf(format, content)) return undefined
  const names = typeof format === 'number' ? formats[format] : undefined
  if (names !== undefined) return Object.keys(content).join() === names.join() ? (content as T) : undefined
  const own = Math.max(...Object.keys(formats).map(Number))
  throw new SandglassError('UNSUPPORTED', `Cannot read ${path}: its format ${format} is newer than ${own}`)
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function crcOf(format: unknown, content: object): number {
  return crc32(JSON.stringify([format, ...Object.values(content)]))
}
