// Message bytes as JSON shows them: text where they are UTF-8, base64 where they are not.
import { isUtf8 } from 'node:buffer'

/** `{ [name]: text }`, or `{ [name + 'Base64']: base64 }`. */
export function bytesAsJson(name: string, bytes: Uint8Array): Record<string, string> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return isUtf8(buffer) ? { [name]: buffer.toString('utf8') } : { [`${name}Base64`]: buffer.toString('base64') }
}
