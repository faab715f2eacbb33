import fc from 'fast-check'
import protobuf from 'protobufjs'
import { expect, test } from 'vitest'
import { NumberReader, NumberWriter } from '../../src/wire/numbers.ts'
import { createClientWire, createServerWire, protoFolder } from '../../src/wire/wire.ts'

const client = createClientWire()
const server = createServerWire()

test('a server reads of a body the bytes a client wrote, and gives them back unchanged', () => {
  const body = { key: Buffer.from('k'), value: Buffer.from('hello'), headers: { trace: 'a1' } }
  const frame = { id: 7, request: { topic: 't', partition: 3, messages: [{ body, delayMs: 1000 }] } }
  const received = server.codec('ProduceFrame').decode(client.codec('ProduceFrame').encode(frame))
  const bytes = received.request?.messages[0]?.body
  expect(bytes).toBeInstanceOf(Uint8Array)
  expect(Buffer.from(bytes ?? [])).toEqual(client.codec('Body').encode(body))

  const deliveries = {
    deliveredMs: 5,
    leaseMs: 0,
    mark: 0,
    deliveries: [{ dueMs: 1, index: 2, fence: 3, count: 1, body: bytes }],
  }
  const response = client.codec('ConsumeResponse').decode(server.codec('ConsumeResponse').encode({ deliveries }))
  const delivered = response.deliveries?.deliveries[0]?.body
  expect(delivered && { ...delivered }).toEqual(body)
})

test('an absent field reads as its proto3 default, an absent message and an unset oneof member as null', () => {
  const message = client.codec('NewMessage').decode(Buffer.alloc(0))
  expect([message.body, message.delayMs, message.deliverAtMs, message.channel]).toEqual([null, null, null, ''])
  const body = client.codec('Body').decode(Buffer.alloc(0))
  expect([body.key, body.value, body.headers]).toEqual([Buffer.alloc(0), Buffer.alloc(0), {}])
  expect(client.codec('Position').decode(Buffer.alloc(0)).index).toBe(0)
  expect(client.codec('ProduceResponse').decode(Buffer.alloc(0)).index).toEqual([])
})

test('a delay of zero is a delay, not an absent one', () => {
  const codec = client.codec('NewMessage')
  expect(codec.decode(codec.encode({ delayMs: 0 })).delayMs).toBe(0)
})

test('64-bit numbers come back as the same JS numbers', () => {
  const codec = client.codec('Held')
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (index, fence) => {
      const back = codec.decode(codec.encode({ index, fence }))
      expect([back.index, back.fence]).toEqual([index, fence])
    }),
  )
})

test('our varints are those of the library', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const ours = new NumberWriter().uint64(value).finish()
      expect(Buffer.from(ours)).toEqual(Buffer.from(protobuf.Writer.create().uint64(value).finish()))
      expect(new NumberReader(ours).uint64()).toBe(value)
    }),
  )
})

test('a number of 2^53 or more is refused when read and when written', () => {
  const tooLarge = protobuf.Writer.create().uint32(8).uint64('9007199254740992').finish()
  expect(() => client.codec('Held').decode(tooLarge)).toThrow(RangeError)
  const largest = protobuf.Writer.create().uint32(8).uint64('18446744073709551615').finish()
  expect(() => client.codec('Held').decode(largest)).toThrow(RangeError)
  for (const index of [2 ** 53, -1, 1.5, Number.NaN]) {
    expect(() => client.codec('Held').encode({ index })).toThrow('uint64')
  }
})

test('a 32-bit number of 2^32 or more is refused when read and when written, not taken for its lower half', () => {
  const two32 = protobuf.Writer.create().uint32(16).uint64('4294967297').finish()
  expect(() => server.codec('ProduceRequest').decode(two32)).toThrow(RangeError)
  const negative = protobuf.Writer.create().uint32(32).int32(-1).finish()
  expect(() => server.codec('CreateTopicRequest').decode(negative)).toThrow(RangeError)
  for (const partition of [2 ** 32 + 1, 2 ** 53, -1, 1.5, Number.NaN]) {
    expect(() => client.codec('ProduceRequest').encode({ partition })).toThrow('uint32')
  }
})

test('a number or text that is cut short is refused', () => {
  expect(() => client.codec('Held').decode(Buffer.from([8, 0x80]))).toThrow(RangeError)
  const whole = client.codec('DescribeTopicRequest').encode({ name: 'orders' })
  expect(() => server.codec('DescribeTopicRequest').decode(whole.subarray(0, -1))).toThrow(RangeError)
})

const NACK = { id: 7, index: [1, 2, 3], fence: [1, 2, 3], delayMs: 5, reason: 'busy', keepPlace: false }

test.each([
  ['index', 2, 'nack.index[2]'],
  ['fence', 0, 'nack.fence[0]'],
] as const)('the fault of a frame whose %s is 2^53 or more is told by its field, beside the id', (name, at, field) => {
  const given = NACK[name].map((value, i) => (i === at ? '18446744073709551615' : value))
  const fault = server.codec('ConsumeRequest').fault(strange('ConsumeRequest', { nack: { ...NACK, [name]: given } }))
  expect(fault).toEqual({ field, ids: new Map([['nack.id', 7]]) })
})

test('the fault of bytes that are cut short is the field they end in', () => {
  const whole = client.codec('ConsumeRequest').encode({ nack: { ...NACK, index: [], fence: [] } })
  const codec = server.codec('ConsumeRequest')
  const fields = Array.from(
    { length: whole.length - 1 },
    (_, length) => codec.fault(whole.subarray(0, length + 1)).field,
  )
  expect(new Set(fields)).toEqual(new Set(['nack']))
  const cut = server.codec('NackRequest').fault(client.codec('NackRequest').encode({ reason: 'busy' }).subarray(0, -1))
  expect(cut.field).toBe('reason')
})

test('whatever bytes do not decode, their fault is found without a throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      expect(typeof server.codec('ProduceFrame').fault(bytes).field).toBe('string')
    }),
    { numRuns: 2000 },
  )
})

/** Bytes that no writer of ours makes: 64-bit numbers as text. */
function strange(name: string, message: object): Uint8Array {
  const root = new protobuf.Root()
  root.resolvePath = (_origin, target) =>
    target.startsWith('google/') || target.startsWith('/') ? target : `${protoFolder()}/${target}`
  root.loadSync('sandglass/v1/queue.proto')
  const type = root.lookupType(`sandglass.v1.${name}`)
  return type.encode(type.fromObject(message)).finish()
}

test('the folder of protos is found from the sources', () => {
  expect(protoFolder()).toMatch(/proto$/)
})
