// Where a message that does not decode is at fault: its bytes are walked once more by its descriptor, which only a
// refusal pays for. A number that is too large is passed, so that what stands beside it can be told as well.
import type protobuf from 'protobufjs'

export interface Fault {
  /** As in `nack.index[3]`; empty where the bytes are not those of any field. */
  readonly field: string
  /** Numbers called `id` that can be read, by their field. */
  readonly ids: ReadonlyMap<string, number>
}

/** `type` is resolved. */
export function faultIn(type: protobuf.Type, bytes: Uint8Array): Fault {
  const walk = new Walk(bytes)
  walk.message(type, bytes.length, '', 0)
  return { field: walk.field ?? '', ids: walk.ids }
}

const VARINT = 0
const LENGTH = 2
const DEPTH_MAX = 16

class Walk {
  readonly #bytes: Uint8Array
  #at = 0
  field: string | undefined
  readonly ids = new Map<string, number>()

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** False when nothing behind the fault can be read any more. */
  message(type: protobuf.Type, end: number, path: string, depth: number): boolean {
    const seen = new Map<number, number>()
    while (this.#at < end) {
      const tag = this.#varint(end)
      const field = tag === undefined ? undefined : type.fieldsById[Math.floor(tag / 8)]
      const name = field === undefined ? path : join(path, field, seen)
      if (tag === undefined || !this.#value(field?.resolve(), tag % 8, { end, name, depth })) {
        this.field ??= name
        return false
      }
    }
    return true
  }

  #value(field: protobuf.Field | undefined, wireType: number, place: Place): boolean {
    if (wireType === VARINT) return this.#number(field, place)
    if (wireType !== LENGTH) return this.#skip(wireType === 1 ? 8 : 4, place.end) && (wireType === 1 || wireType === 5)
    const length = this.#varint(place.end)
    if (length === undefined || this.#at + length > place.end) return false
    const end = this.#at + length
    if (field?.repeated && isNumber(field)) return this.#packed(field, { ...place, end })
    if (isMessage(field?.resolvedType) && !field.map) {
      if (place.depth >= DEPTH_MAX) return false
      return this.message(field.resolvedType, end, place.name, place.depth + 1)
    }
    this.#at = end
    // A number does not come as bytes.
    return field === undefined || !isNumber(field)
  }

  #packed(field: protobuf.Field, { end, name, depth }: Place): boolean {
    const first = name.replace(/\[\d+\]$/, '')
    for (let at = 0; this.#at < end; at++) {
      const place = { end, name: `${first}[${at}]`, depth }
      if (this.#number(field, place)) continue
      this.field ??= place.name
      return false
    }
    return true
  }

  #number(field: protobuf.Field | undefined, { end, name }: Place): boolean {
    const value = this.#varint(end)
    if (value === undefined) return false
    if (field === undefined) return true
    if (!isNumber(field)) return false
    if (value > (field.type === 'uint64' ? Number.MAX_SAFE_INTEGER : 0xffffffff)) this.field ??= name
    else if (field.name === 'id') this.ids.set(name, value)
    return true
  }

  /** Inexact from 2^53 on; undefined: cut short or longer than 64 bits take. */
  #varint(end: number): number | undefined {
    let value = 0
    for (let scale = 1, count = 0; count < 10 && this.#at < end; scale *= 128, count++) {
      const byte = this.#bytes[this.#at++] ?? 0
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    return undefined
  }

  #skip(count: number, end: number): boolean {
    this.#at += count
    return this.#at <= end
  }
}

interface Place {
  readonly end: number
  readonly name: string
  readonly depth: number
}

/** Names as in the .proto files. */
function join(path: string, field: protobuf.Field, seen: Map<number, number>): string {
  const name = field.name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  const place = seen.get(field.id) ?? 0
  seen.set(field.id, place + 1)
  return `${path === '' ? '' : `${path}.`}${name}${field.repeated ? `[${place}]` : ''}`
}

function isNumber(field: protobuf.Field): boolean {
  return field.type !== 'string' && field.type !== 'bytes' && !isMessage(field.resolvedType)
}

function isMessage(type: protobuf.ReflectionObject | null | undefined): type is protobuf.Type {
  return type !== null && type !== undefined && 'fieldsById' in type
}
