/** A real node is asked everything its API has, at and beyond its limits: it answers each, and stays. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, type ClientDuplexStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { within } from '../../chaos/harness/deadline.ts'
import { NodeProcess } from '../../chaos/harness/node-process.ts'
import { SandglassClient } from '../../src/client/client.ts'
import { createErrorCodec, STATUS_DETAILS_KEY } from '../../src/wire/errors.ts'
import { SERVICES } from '../../src/wire/messages.ts'
import { createClientWire } from '../../src/wire/wire.ts'
import { type Drawn, drawn, TOPIC } from '../limits/requests.ts'

const ANSWERS_MS = 30_000
const wire = createClientWire()
const errors = createErrorCodec(wire)
let folder = ''
let node: NodeProcess
let pid: number
let grpc: Client
let client: SandglassClient

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandglass-limits-'))
  const flags = { name: 'n1', data: join(folder, 'data'), grpc_port: '0', http_port: '0', raft_port: '0' }
  const args = Object.entries(flags).flatMap(([key, value]) => [`--${key}`, value])
  node = new NodeProcess({ name: 'n1', args, cwd: folder })
  await started()
  await client.topics.create({ name: TOPIC, partitions: 1, replicationFactor: 1 })
})
afterAll(async () => {
  grpc.close()
  await client.close()
  await node.kill()
  rmSync(folder, { recursive: true, force: true })
})

async function started(): Promise<void> {
  node.start()
  const { grpc: address } = await node.ready()
  pid = node.pid
  grpc = new Client(address, credentials.createInsecure())
  client = await SandglassClient.connect({ addrs: [address], timeoutMs: ANSWERS_MS })
}

/** The same process, which found nothing unexpected, stores and delivers. */
afterEach(async () => {
  expect({ running: node.running, fatal: node.said('fatal'), internal: node.said('internal_error') }).toEqual({
    ...{ running: true, fatal: 0, internal: 0 },
  })
  expect(node.pid).toBe(pid)
  const channel = 'after'
  await client.producer().produce(TOPIC, { value: 'still here', channel })
  const consumer = client.consumer({ topic: TOPIC, group: 'after', channel })
  for await (const delivery of consumer) {
    await delivery.ack()
    break
  }
})

const same = (bytes: Buffer) => bytes

/** The reason of the refusal; undefined: done. */
function call(path: string, request: Buffer): Promise<{ reason: string; field: string } | undefined> {
  const answered = new Promise<{ reason: string; field: string } | undefined>((resolve) => {
    grpc.makeUnaryRequest(path, same, same, request, (error) => resolve(error === null ? undefined : told(error)))
  })
  return within(`the answer of ${path}`, ANSWERS_MS, answered)
}

function told(error: ServiceError): { reason: string; field: string } {
  const [details] = error.metadata.get(STATUS_DETAILS_KEY)
  const status = { code: error.code, message: error.details, details: Buffer.isBuffer(details) ? details : undefined }
  const { reason, field = '' } = errors.fromStatus(status, { mutating: true })
  return { reason, field }
}

/** Every refusal is one of the table, and a bad request's names the field wherever its bytes still have fields. */
function expectTold(refusal: { reason: string; field: string }, request: Drawn): void {
  expect(['INTERNAL', 'COMMIT_UNKNOWN', 'UNREACHABLE', 'DEADLINE']).not.toContain(refusal.reason)
  if (refusal.reason === 'INVALID' && !request.damaged) expect(refusal.field).not.toBe('')
}

const unary = Object.values(SERVICES).flatMap((methods) => Object.values(methods).filter((row) => !row.requestStream))

test.each(unary.map(({ path, request }) => ({ path, request })))('$path', async ({ path, request }) => {
  await fc.assert(
    fc.asyncProperty(fc.array(drawn(request), { minLength: 10, maxLength: 10 }), async (requests) => {
      const refusals = await Promise.all(requests.map((one) => call(path, one.bytes)))
      for (const [i, refusal] of refusals.entries()) {
        const one = requests[i]
        if (refusal !== undefined && one !== undefined) expectTold(refusal, one)
      }
    }),
    { numRuns: 8, endOnFailure: true },
  )
})

type Raw = ClientDuplexStream<Buffer, Buffer>

/** Sends them all; resolves with what came back once the stream is over, with its status if that is a refusal. */
function stream(
  path: string,
  frames: readonly Buffer[],
): Promise<{ answers: Buffer[]; end?: { reason: string; field: string } }> {
  const raw: Raw = grpc.makeBidiStreamRequest(path, same, same, new Metadata())
  const answers: Buffer[] = []
  for (const frame of frames) raw.write(frame)
  raw.end()
  const over = new Promise<{ answers: Buffer[]; end?: { reason: string; field: string } }>((resolve) => {
    raw.on('data', (answer: Buffer) => answers.push(answer))
    raw.on('end', () => resolve({ answers }))
    raw.on('error', (error: ServiceError) => resolve({ answers, end: told(error) }))
  })
  return within(`the end of ${path}`, ANSWERS_MS, over)
}

test('frames of ProduceStream: each is answered by its id, unless it has none', async () => {
  const good = (id: number) =>
    wire
      .codec('ProduceFrame')
      .encode({ id, request: { topic: TOPIC, messages: [{ body: { value: Buffer.from('x') } }] } })
  await fc.assert(
    fc.asyncProperty(fc.array(drawn('ProduceFrame'), { minLength: 1, maxLength: 5 }), async (frames) => {
      const { answers, end } = await stream(SERVICES.Queue.ProduceStream.path, [
        ...frames.map((one) => one.bytes),
        good(7_777),
      ])
      const read = answers.map((answer) => wire.codec('ProduceAnswer').decode(answer))
      for (const { error } of read) if (error !== null) expect(error.reason).not.toBe('INTERNAL')
      if (end !== undefined) expectTold(end, { bytes: Buffer.alloc(0), damaged: true })
      else expect(read.filter(({ id }) => id === 7_777)).toMatchObject([{ error: null }])
    }),
    { numRuns: 40, endOnFailure: true },
  )
})

test('frames of Consume: an ack, nack or extend is answered by its id, what cannot be ends the stream with a reason', async () => {
  const codec = wire.codec('ConsumeRequest')
  const subscribe = codec.encode({
    subscribe: { topic: TOPIC, group: 'g', consumer: 'c', session: Buffer.alloc(16, 1), credit: 10 },
  })
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.array(drawn('ConsumeRequest'), { minLength: 1, maxLength: 5 }),
      async (begun, frames) => {
        const sent = [...(begun ? [subscribe] : []), ...frames.map((one) => one.bytes)]
        const { answers, end } = await stream(SERVICES.Queue.Consume.path, sent)
        const read = answers.map((answer) => wire.codec('ConsumeResponse').decode(answer))
        for (const answer of read) {
          if (answer.end !== null) expect(answer.end.reason).not.toBe('INTERNAL')
          if (answer.settled !== null) expect(answer.settled.error?.reason).not.toBe('INTERNAL')
        }
        if (end !== undefined) expectTold(end, { bytes: Buffer.alloc(0), damaged: true })
      },
    ),
    { numRuns: 40, endOnFailure: true },
  )
})

test('10,000 places given back for a reason of 256 two-byte characters are told that none was leased', async () => {
  const places = Array.from({ length: 10_000 }, (_, i) => i + 1)
  const nack = { topic: TOPIC, group: 'after', index: places, fence: places, reason: 'ß'.repeat(256) }
  const refusal = await call(SERVICES.Queue.Nack.path, wire.codec('NackRequest').encode(nack))
  expect(['LEASE_LOST', 'GROUP_NOT_FOUND']).toContain(refusal?.reason)
})

test('what it stored meanwhile does it no harm when it starts again', async () => {
  await client.close()
  grpc.close()
  node.signal('SIGTERM')
  expect(await node.exited(ANSWERS_MS)).toEqual({ code: 0, signal: null })
  await started()
  node.signal('SIGKILL')
  await node.exited(ANSWERS_MS)
  grpc.close()
  await client.close()
  await started()
})
