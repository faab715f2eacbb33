/** Who gives way at a bound, and who is late: the books alone, in virtual time. */
import { expect, test } from 'vitest'
import type { SandglassError } from '../../../src/base/errors.ts'
import { CallBook } from '../../../src/rpc/bounds/call-book.ts'
import { type BookedCall, ClientCalls, STREAMS_UNTRIED } from '../../../src/rpc/bounds/client-calls.ts'
import type { BoundName, Bounds } from '../../../src/rpc/bounds/types.ts'
import { ManualEnv } from '../../storage/manual-env.ts'

const BOUNDS: Bounds = {
  connections: 10,
  streamsPerConnection: 1000,
  streams: 10,
  unfinishedBytes: 1000,
  frameMs: 50,
  unaryMs: 30,
}

class Call implements BookedCall {
  readonly client: ClientCalls
  readonly streaming: boolean
  held = 0
  answered = false
  failed: string | undefined
  readonly #book: CallBook

  constructor(book: CallBook, client: ClientCalls, streaming = true) {
    this.#book = book
    this.client = client
    this.streaming = streaming
  }

  fail(error: SandglassError): void {
    this.failed = error.reason
    this.#book.closed(this)
  }
}

function setUp() {
  const env = new ManualEnv()
  const refused: BoundName[] = []
  const book = new CallBook(env, BOUNDS, (bound) => refused.push(bound))
  const client = (allowed: number[] = []) =>
    new ClientCalls({
      streamsMax: BOUNDS.streamsPerConnection,
      onServing: () => undefined,
      onAllowed: (streams) => allowed.push(streams),
      drop: () => undefined,
    })
  const open = (of: ClientCalls, count: number, streaming = true) =>
    Array.from({ length: count }, () => {
      const call = new Call(book, of, streaming)
      return book.open(call) ? call : undefined
    })
  return { env, refused, book, client, open }
}

test('at the bound of streams the connection that has most gives way: a stream without a request, then the oldest', () => {
  const { book, client, open, refused } = setUp()
  const greedy = client()
  const calls = open(greedy, 10)
  for (const call of calls.slice(0, 9)) if (call !== undefined) greedy.spoke(call)
  expect(open(greedy, 1)).toEqual([undefined])
  const modest = client()
  expect(open(modest, 1)[0]).toBeDefined()
  expect(calls.map((call) => call?.failed)).toEqual([...Array(9).fill(undefined), 'OVERLOADED'])
  expect(open(modest, 1)[0]).toBeDefined()
  expect(calls[0]?.failed).toBe('OVERLOADED')
  expect(book.streams).toBe(10)
  expect(refused).toEqual(['streams', 'streams', 'streams'])
})

test('nobody gives way to one who has as much', () => {
  const { client, open } = setUp()
  const [a, b] = [client(), client()]
  const calls = [...open(a, 5), ...open(b, 5)]
  expect(open(b, 1)).toEqual([undefined])
  expect(calls.every((call) => call?.failed === undefined)).toBe(true)
})

test('nobody gives way to one who would then have more', () => {
  const { client, open } = setUp()
  const [a, b, c] = [client(), client(), client()]
  const calls = [...open(a, 4), ...open(b, 3), ...open(c, 3)]
  expect(open(c, 1)).toEqual([undefined])
  expect(calls.every((call) => call?.failed === undefined)).toBe(true)
})

test('beyond the bound of bytes the connection that holds most gives way, first what it has held longest', () => {
  const { book, client, open, refused } = setUp()
  const [greedy, modest] = [client(), client()]
  const [first, second] = open(greedy, 2)
  const [honest] = open(modest, 1)
  if (first === undefined || second === undefined || honest === undefined) throw new Error('not opened')
  book.hold(honest, 300)
  book.hold(first, 300)
  book.hold(second, 400)
  expect(refused).toEqual([])
  book.hold(honest, 1)
  expect([first.failed, second.failed, honest.failed]).toEqual(['OVERLOADED', undefined, undefined])
  expect([book.held, greedy.held, modest.held]).toEqual([701, 400, 301])
  book.hold(honest, -301)
  book.closed(honest)
  book.closed(second)
  expect([book.held, book.streams]).toEqual([0, 0])
})

test('a stream without its first frame is late, and one whose frame does not end; a unary call by its own time', () => {
  const { env, book, client, open, refused } = setUp()
  const one = client()
  const [silent, slow, fine] = open(one, 3)
  const [unary, whole] = open(one, 2, false)
  if (slow === undefined || fine === undefined || whole === undefined) throw new Error('not opened')
  book.frameWhole(fine)
  book.frameWhole(slow)
  book.whole(whole)
  env.advance(29)
  expect(unary?.failed).toBeUndefined()
  book.frameBegun(slow)
  env.advance(1)
  expect(unary?.failed).toBe('DEADLINE')
  env.advance(20)
  expect(silent?.failed).toBe('DEADLINE')
  expect(slow.failed).toBeUndefined()
  env.advance(29)
  expect([slow.failed, fine.failed, whole.failed]).toEqual(['DEADLINE', undefined, undefined])
  expect(refused).toEqual(['time', 'time', 'time'])
})

test('what was answered and is kept open by its client is closed as well', () => {
  const { env, book, client, open, refused } = setUp()
  const [call] = open(client(), 1, false)
  if (call === undefined) throw new Error('not opened')
  call.answered = true
  book.answered(call)
  env.advance(50)
  expect(call.failed).toBe('DEADLINE')
  expect(refused).toEqual([])
})

test('a connection may have more streams as it makes use of those it has', () => {
  const { book } = setUp()
  const allowed: number[] = []
  const client = new ClientCalls({
    streamsMax: 1000,
    onServing: () => undefined,
    onAllowed: (n) => allowed.push(n),
    drop: () => undefined,
  })
  const speak = (count: number) => {
    for (let i = 0; i < count; i++) {
      const call = new Call(book, client)
      client.opened(call)
      client.spoke(call)
    }
  }
  speak(STREAMS_UNTRIED / 2 - 1)
  expect(allowed).toEqual([])
  speak(1)
  expect(allowed).toEqual([64])
  speak(500)
  expect(allowed).toEqual([64, 128, 256, 512, 1000])
})

test('a connection that takes back twice as many calls as it may have, in a second and unasked, is dropped', () => {
  let dropped = 0
  const client = new ClientCalls({
    streamsMax: 1000,
    onServing: () => undefined,
    onAllowed: () => undefined,
    drop: () => {
      dropped += 1
    },
  })
  const takeBack = (count: number, atMs: number) => {
    for (let i = 0; i < count; i++) client.tookBack(atMs)
  }
  takeBack(2 * STREAMS_UNTRIED, 5000)
  takeBack(2 * STREAMS_UNTRIED, 6000)
  expect(dropped).toBe(0)
  takeBack(1, 6999)
  expect(dropped).toBe(1)
})
