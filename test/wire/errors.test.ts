import { expect, test } from 'vitest'
import { ERROR_TABLE, type ErrorReason, SandglassError } from '../../src/base/errors.ts'
import { createErrorCodec, fromErrorMessage, toErrorMessage } from '../../src/wire/errors.ts'
import { createClientWire, createServerWire } from '../../src/wire/wire.ts'

const client = createErrorCodec(createClientWire())
const server = createErrorCodec(createServerWire())
const refused = { mutating: true }

test('every reason survives the trip as a status, with its field and leader', () => {
  for (const reason of Object.keys(ERROR_TABLE) as ErrorReason[]) {
    const sent = new SandglassError(reason, `Cannot do it: ${reason}`, { field: 'a.b', leader: 'host:1' })
    const status = server.toStatus(sent)
    expect(status.code).toBe(ERROR_TABLE[reason].code)
    const got = client.fromStatus(status, refused)
    expect([got.reason, got.message, got.code, got.outcome]).toEqual([reason, sent.message, sent.code, sent.outcome])
    expect([got.field, got.leader]).toEqual(['a.b', 'host:1'])
  }
})

test('every reason survives the trip inside a stream', () => {
  const wire = createClientWire().codec('ErrorMessage')
  const sent = new SandglassError('NOT_LEADER', 'Cannot produce: not the leader', { leader: 'host:1' })
  const got = fromErrorMessage(wire.decode(wire.encode(toErrorMessage(sent))))
  expect([got.reason, got.message, got.leader, got.field]).toEqual(['NOT_LEADER', sent.message, 'host:1', undefined])
})

test('the text of an unexpected error stays in the server', () => {
  const got = client.fromStatus(server.toStatus(new TypeError('secret path')), refused)
  expect(got.reason).toBe('INTERNAL')
  expect(got.message).not.toContain('secret')
})

test('a broken connection leaves a change unknown and a read refused', () => {
  const broken = { code: 14, message: 'Connection dropped', details: undefined }
  expect(client.fromStatus(broken, { mutating: true }).outcome).toBe('unknown')
  expect(client.fromStatus(broken, { mutating: false }).reason).toBe('UNREACHABLE')
})

test('a call that never left is refused even when it would change something', () => {
  const status = {
    code: 14,
    message: 'No connection established. Last error: connect ECONNREFUSED',
    details: undefined,
  }
  expect(client.fromStatus(status, { mutating: true }).reason).toBe('UNREACHABLE')
})

test('a deadline without an answer is unknown for a change and DEADLINE for a read', () => {
  const late = { code: 4, message: 'Deadline exceeded', details: undefined }
  expect(client.fromStatus(late, { mutating: true }).reason).toBe('COMMIT_UNKNOWN')
  expect(client.fromStatus(late, { mutating: false }).reason).toBe('DEADLINE')
})

test.each([
  ['Received message larger than max (16777217 vs 16777216)', 'INVALID', 'INVALID'],
  ['Received message larger than max (9000000 vs 8388608)', 'COMMIT_UNKNOWN', 'INVALID'],
  ['Bandwidth exhausted or memory limit exceeded', 'COMMIT_UNKNOWN', 'OVERLOADED'],
])('exhausted, without a reason of ours (%s), is %s for a change and %s for a read', (...row) => {
  const [message, change, read] = row
  const status = { code: 8, message, details: undefined }
  expect(client.fromStatus(status, { mutating: true }).reason).toBe(change)
  expect(client.fromStatus(status, { mutating: false }).reason).toBe(read)
})

test('a reason of a newer server becomes a known one of the same code', () => {
  const got = fromErrorMessage({ reason: 'BRAND_NEW', message: 'Cannot', field: '', leader: '' }, 9)
  expect(got.code).toBe(9)
  expect(got.message).toContain('BRAND_NEW')
})

test('details that do not decode leave the plain status', () => {
  const got = client.fromStatus({ code: 5, message: 'not here', details: Buffer.from([255, 255]) }, refused)
  expect(got.code).toBe(5)
})
