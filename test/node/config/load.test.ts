import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConfigError, loadConfig } from '../../../src/node/config/load.ts'
import { SETTINGS } from '../../../src/node/config/schema.ts'
import { number, text } from '../../limits/values.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandglass-config-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const nothing = { file: undefined, flags: {}, environment: {} }

describe('configuration', () => {
  test('defaults are the documented ones', async () => {
    const { config } = await loadConfig(nothing)
    expect(config).toMatchObject({
      bindAddr: '127.0.0.1',
      advertiseAddr: '127.0.0.1',
      grpcPort: 7170,
      httpPort: 2108,
      raftPort: 9190,
    })
    expect(config).toMatchObject({ electionTimeoutMs: 400, heartbeatMs: 100, leaseMs: 30_000, reattachMs: 5000 })
    expect(config).toMatchObject({ reassignAfterMs: 60_000, maxClockSkewMs: 2000 })
  })

  test('flags beat the environment, which beats the file', async () => {
    const path = file('a.yaml', 'name: from-file\ngrpc_port: 1\nhttp_port: 2\nraft_port: 3\n')
    const { config, sources } = await loadConfig({
      file: path,
      flags: { 'grpc-port': 10 },
      environment: { SANDGLASS_GRPC_PORT: '20', SANDGLASS_HTTP_PORT: '21' },
    })
    expect(config).toMatchObject({ name: 'from-file', grpcPort: 10, httpPort: 21, raftPort: 3 })
    expect(sources).toMatchObject({ name: 'file', grpc_port: 'flag', http_port: 'environment', data: 'default' })
  })

  test('- and _ are the same in every source', async () => {
    const path = file('b.yaml', 'log-level: debug\n')
    const { config } = await loadConfig({ ...nothing, file: path, flags: { lease_ms: 5 } })
    expect(config).toMatchObject({ logLevel: 'debug', leaseMs: 5 })
  })

  test('an unknown key is an error that names it, wherever it stands', async () => {
    const path = file('c.yaml', 'colour: red\n')
    await expect(loadConfig({ ...nothing, file: path })).rejects.toMatchObject({ field: 'colour' })
    await expect(loadConfig({ ...nothing, flags: { shape: 1 } })).rejects.toMatchObject({ field: 'shape' })
    await expect(loadConfig({ ...nothing, environment: { SANDGLASS_SIZE: '1' } })).rejects.toMatchObject({
      field: 'SIZE',
    })
  })

  test.each([
    ['name', 'a b'],
    ['grpc_port', '70000'],
    ['bind_addr', '127.0.0.1:80'],
    ['bind_addr', '[127.0.0.1]'],
    ['advertise_addr', 'a b'],
    ['initial_cluster', 'n1=::1:9190'],
    ['initial_cluster', 'n1=h:0'],
    ['initial_cluster', 'n1=h:65536'],
    ['raft_via', 'n1=:9190'],
    ['lease_ms', '1.5'],
    ['reassign_after', '60'],
    ['log_level', 'loud'],
    ['initial_cluster', 'n1=h:1,n1=h:2'],
    ['wal_retain_bytes', 'much'],
    ['snapshot_bytes_per_second', '1KiB'],
  ])('a bad value of %s is an error that names it', async (key, value) => {
    await expect(loadConfig({ ...nothing, flags: { [key]: value } })).rejects.toMatchObject({ field: key })
  })

  test('a cluster list without this node is refused', async () => {
    const flags = { name: 'n9', initial_cluster: 'n1=h:1,n2=h:2' }
    await expect(loadConfig({ ...nothing, flags })).rejects.toMatchObject({ field: 'initial_cluster' })
  })

  test('an IPv6 address is a host by itself or in brackets, and in brackets before a port', async () => {
    const flags = { name: 'n1', bind_addr: '[::1]', advertise_addr: 'fe80::7', initial_cluster: 'n1=[fe80::7]:9190' }
    const { config } = await loadConfig({ ...nothing, flags })
    expect(config).toMatchObject({ bindAddr: '::1', advertiseAddr: 'fe80::7' })
    expect(config.initialCluster).toEqual([{ name: 'n1', raft: '[fe80::7]:9190' }])
  })

  test('one port for two purposes is refused with both names', async () => {
    const flags = { grpc_port: 7170, raft_port: 7170 }
    const refused = loadConfig({ ...nothing, flags })
    await expect(refused).rejects.toMatchObject({ field: 'raft_port', message: expect.stringContaining('grpc_port') })
    await expect(loadConfig({ ...nothing, flags: { grpc_port: 0, http_port: 0, raft_port: 0 } })).resolves.toBeDefined()
  })

  test('keys of the prototype are taken with a warning that says what replaces them', async () => {
    const flags = { offset_replication_factor: 1, db_path: '/x', gossip_port: 1 }
    const { warnings } = await loadConfig({ ...nothing, flags })
    expect(warnings).toHaveLength(3)
    expect(warnings.join('\n')).toContain('use data')
  })

  test('join is refused with the reason, not ignored', async () => {
    await expect(loadConfig({ ...nothing, flags: { join: 'h:1' } })).rejects.toThrow('not there yet')
  })

  test('the file may be an http URL', async () => {
    const server = createServer((_, response) => response.end('name: remote\n'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const { config } = await loadConfig({ ...nothing, file: `http://127.0.0.1:${port}/n.yaml` })
    expect(config.name).toBe('remote')
    server.closeAllConnections()
    server.close()
  })

  test('an unreadable or malformed file is an error that names it', async () => {
    await expect(loadConfig({ ...nothing, file: join(folder, 'none.yaml') })).rejects.toThrow('none.yaml')
    await expect(loadConfig({ ...nothing, file: file('list.yaml', '- a\n') })).rejects.toThrow('keys and values')
  })
})

test('whatever stands behind a setting, it is taken as a number that can be used or refused by its key', async () => {
  const value = fc.oneof(
    text,
    number.map(String),
    fc.tuple(number, fc.constantFrom('ms', 's', 'd', 'KiB', 'GiB', 'x')).map(([of, unit]) => `${of}${unit}`),
    fc.constantFrom('9'.repeat(400), `${'9'.repeat(400)}d`, '1e3', '0x10', ' 1', '٣'),
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...Object.values(SETTINGS)), value, async ({ key }, given) => {
      // A node is of its own cluster.
      const flags = { [key]: given }
      try {
        const { config } = await loadConfig({ file: undefined, flags, environment: {} })
        for (const known of Object.values(config))
          if (typeof known === 'number') expect(known).toSatisfy(Number.isSafeInteger)
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError)
        const { field } = error as ConfigError
        expect([key, 'heartbeat_ms', 'initial_cluster', 'grpc_port', 'http_port', 'raft_port']).toContain(field)
      }
    }),
    { numRuns: 500 },
  )
})

test('one setting written in two ways is given twice', async () => {
  const flags = { 'grpc-port': '1', grpc_port: '2' }
  const given = loadConfig({ file: undefined, flags, environment: {} })
  await expect(given).rejects.toMatchObject({ field: 'grpc_port', message: expect.stringContaining('given twice') })
})
