/** What grpc-js has to say by itself: given to the node's log instead of bare lines on stderr. */
import { setLogger } from '@grpc/grpc-js'

/** For the whole process: grpc-js has one logger. */
export function routeGrpcLog(to: (message: string) => void): void {
  const line = (...words: unknown[]) => to(words.map(String).join(' '))
  setLogger({ error: line, info: line, debug: line })
}
