/** The sending side of the service `sandglass.v1.Formation`. */
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js'
import { SandglassError } from '../../base/errors.ts'
import { targetOf } from '../../wire/channels.ts'
import { formationMethods } from '../control/proto.ts'
import { CHANNEL_OPTIONS } from '../peer/link.ts'
import { fromWire, toWire } from './hello.ts'
import type { FormationHello, FormationTransport } from './types.ts'

export function createFormationTransport(): FormationTransport {
  const { Exchange } = formationMethods()
  const clients = new Map<string, Client>()
  const clientOf = (address: string): Client => {
    const client = clients.get(address) ?? new Client(targetOf(address), credentials.createInsecure(), CHANNEL_OPTIONS)
    clients.set(address, client)
    return client
  }
  return {
    exchange: (address, hello, timeoutMs) =>
      new Promise<FormationHello>((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = Exchange
        const deadline = Date.now() + timeoutMs
        const request = toWire(hello)
        clientOf(address).makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          { deadline },
          (error, said) => {
            const answer = said === undefined ? undefined : fromWire(said)
            if (answer !== undefined) resolve(answer)
            else reject(new SandglassError('UNREACHABLE', reasonOf(error, timeoutMs)))
          },
        )
      }),
    close: () => {
      for (const client of clients.values()) client.close()
      clients.clear()
    },
  }
}

const REASON_CHARS_MAX = 200

/** What keeps the other node from answering, as short as a line for people can be. */
function reasonOf(error: ServiceError | null, timeoutMs: number): string {
  if (error === null) return 'it answers with an unknown state'
  const { code, details } = error
  if (/Name resolution|ENOTFOUND|EAI_AGAIN/.test(details)) return 'its name does not resolve'
  if (/ECONNREFUSED/.test(details)) return 'nobody listens there'
  if (code === status.DEADLINE_EXCEEDED) return `no answer within ${timeoutMs} ms`
  return details.slice(0, REASON_CHARS_MAX)
}
