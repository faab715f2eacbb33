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

test('a number that is cut short is refused', () => {
  expect(() => client.codec('Held').decode(Buffer.from([8, 0x80]))).toThrow(RangeError)
})

test('the folder of protos is found from the sources', () => {
  expect(protoFolder()).toMatch(/proto$/)
})
