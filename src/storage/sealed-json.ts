/** A small JSON file that tells by itself whether it is whole: `{format, crc, ...content}` (docs/formats.md). */
import { crc32 } from 'node:zlib'
import { SandglassError } from '../base/errors.ts'

/** `crc` is CRC-32 of the JSON text, without white space, of the format and the values of `content` in their order. */
export function sealJson(format: number, content: object): string {
  return JSON.stringify({ format, crc: crcOf(format, content), ...content })
}

interface Expected<T> {
  readonly format: number
  /** Of the content, in the order in which it was sealed. */
  readonly names: readonly (keyof T & string)[]
  /** For the error. */
  readonly path: string
}

/** The content; undefined if it is damaged, names included. Throws UNSUPPORTED for a format of a later version. */
export function unsealJson<T extends object>(text: string, { format, names, path }: Expected<T>): T | undefined {
  const parsed = parse(text)
  if (parsed === undefined) return undefined
  const content = Object.fromEntries(names.map((name) => [name, parsed[name]]))
  if (parsed.crc !== crcOf(parsed.format, content)) return undefined
  if (parsed.format === format) return content as T
  throw new SandglassError('UNSUPPORTED', `Cannot read ${path}: its format ${parsed.format} is newer than ${format}`)
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
