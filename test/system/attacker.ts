/**
 * `node attacker.js KIND PORT COUNT...`: a process that takes from a node's public port whatever it gets, until it is killed.
 * It says `attacking` once everything has been sent for the first time. KIND:
 * - `unfinished MESSAGES BYTES`: messages that lack their last byte, on streams of one connection;
 * - `streams CONNECTIONS STREAMS`: streams that say nothing;
 * - `resets CONNECTIONS STREAMS`: streams that are taken back at once, many times what a connection may have;
 * - `connections CONNECTIONS`: connections that say nothing.
 * What is refused or ended is begun again with the next turn of `AGAIN_MS`.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2'
import { connect } from 'node:net'

const AGAIN_MS = 1000
const PIECE = Buffer.alloc(64 * 1024)
const HEADERS = {
  ':method': 'POST',
  ':path': '/sandglass.v1.Queue/ProduceStream',
  'content-type': 'application/grpc',
  te: 'trailers',
}

/** Errors are what is expected here: the stream or connection ends, and another takes its place. */
const ignore = () => undefined

function session(port: number): ClientHttp2Session {
  const opened = connectHttp2(`http://127.0.0.1:${port}`)
  opened.on('error', ignore)
  return opened
}

function stream(of: ClientHttp2Session): ClientHttp2Stream | undefined {
  if (of.closed || of.destroyed) return undefined
  const opened = of.request(HEADERS)
  opened.on('error', ignore)
  opened.resume()
  return opened
}

/** Resolves when all but the last byte has been taken, or the stream is gone. */
function unfinished(opened: ClientHttp2Stream, bytes: number): Promise<void> {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(bytes, 1)
  let left = bytes - 1
  return new Promise((resolve) => {
    opened.once('close', () => resolve())
    const more = (): void => {
      if (left === 0 || opened.destroyed || opened.closed) {
        resolve()
        return
      }
      const piece = PIECE.subarray(0, Math.min(left, PIECE.length))
      left -= piece.length
      opened.write(piece, more)
    }
    opened.write(prefix, more)
  })
}

/** What waits in the session takes the place of each stream that goes, so that all of them leave in a few writes. */
function takenBack(port: number, streams: number): void {
  const one = session(port)
  one.once('remoteSettings', () => {
    const opened = Array.from({ length: streams }, () => stream(one))
    setImmediate(() => {
      for (const each of opened) each?.close(constants.NGHTTP2_CANCEL)
    })
  })
}

/** Keeps `count` things open, all of them at first and then whatever is missing. */
function keep<T>(count: number, open: () => T | undefined, isOpen: (one: T) => boolean): T[] {
  let all: T[] = []
  const fill = (): void => {
    all = all.filter(isOpen)
    while (all.length < count) {
      const one = open()
      if (one === undefined) break
      all.push(one)
    }
  }
  fill()
  setInterval(fill, AGAIN_MS)
  return all
}

async function main([kind = '', ...numbers]: readonly string[]): Promise<void> {
  const [port = 0, count = 0, size = 0] = numbers.map(Number)
  if (kind === 'unfinished') {
    let one = session(port)
    const first: Promise<void>[] = []
    keep(
      count,
      () => {
        if (one.closed || one.destroyed) one = session(port)
        const opened = stream(one)
        if (opened !== undefined) first.push(unfinished(opened, size))
        return opened
      },
      (opened) => !opened.closed,
    )
    await Promise.all(first)
  } else if (kind === 'streams') {
    for (let i = 0; i < count; i++) {
      let one = session(port)
      keep(
        size,
        () => {
          if (one.closed || one.destroyed) one = session(port)
          return stream(one)
        },
        (opened) => !opened.closed,
      )
      // What was asked for leaves before the next connection.
      await new Promise((resolve) => setImmediate(resolve))
    }
  } else if (kind === 'resets') {
    const reset = (): void => {
      for (let i = 0; i < count; i++) takenBack(port, size)
    }
    reset()
    setInterval(reset, AGAIN_MS)
  } else {
    const first = keep(
      count,
      () => connect(port, '127.0.0.1').on('error', ignore),
      (socket) => !socket.destroyed,
    )
    await Promise.all(
      first.map((socket) => new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))),
    )
  }
  process.stdout.write('attacking\n')
}

// Whoever started it is gone, however it ended.
process.stdin.once('end', () => process.exit()).resume()
await main(process.argv.slice(2))
