import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { loadConfig } from '../../src/node/config/load.ts'
import { listening } from '../../src/node/ports.ts'
import { START_REASONS } from '../../src/node/start-error.ts'

test('every reason not to start is in the documented table, and no other', () => {
  const text = readFileSync(new URL('../../docs/semantics.md', import.meta.url), 'utf8')
  const [, section = ''] = /## Start errors\n([\s\S]*?)\n## /.exec(text) ?? []
  const documented = [...section.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, reason]) => reason)
  expect(documented.sort()).toEqual(Object.keys(START_REASONS).sort())
})

test('what the system says of a port has a reason, the setting at fault and the next step', async () => {
  const { config } = await loadConfig({ file: undefined, flags: {}, environment: {} })
  const refusal = (message: string) =>
    listening(config, 'grpc_port', () => Promise.reject(new Error(message))).catch((error: unknown) => error)
  const said = {
    'listen EADDRINUSE: address already in use 127.0.0.1:7170': ['PORT_IN_USE', 'grpc_port', 'another port'],
    'No address added out of total 1 resolved errors: [listen EACCES: permission denied 127.0.0.1:80]': [
      ...['PORT_FORBIDDEN', 'grpc_port', '1024'],
    ],
    'listen EADDRNOTAVAIL: address not available 192.0.2.1': ['ADDRESS_NOT_HERE', 'bind_addr', 'ip addr'],
    'listen EAFNOSUPPORT: address family not supported ::1:80': ['ADDRESS_UNSUPPORTED', 'bind_addr', 'IPv4'],
    'listen EMFILE: too many open files': ['PORT_UNUSABLE', 'grpc_port', 'message'],
  }
  for (const [message, [reason, field, action]] of Object.entries(said)) {
    expect(await refusal(message)).toMatchObject({ reason, field, action: expect.stringContaining(action ?? '') })
  }
  expect(await listening(config, 'grpc_port', async (port) => port)).toBe(7170)
})
