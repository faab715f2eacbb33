import { lookup } from 'node:dns/promises'
import { hostname, networkInterfaces } from 'node:os'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { loadConfig } from '../../src/node/config/load.ts'
import type { Identity } from '../../src/node/formation/identity.ts'
import { ownAddress } from '../../src/node/own-address.ts'

// The machine itself, unless a test says what machine it is.
vi.mock('node:os', { spy: true })
vi.mock('node:dns/promises', { spy: true })
afterEach(() => {
  for (const mocked of [hostname, networkInterfaces, lookup]) vi.mocked(mocked).mockReset()
})

const identity = (state: Identity['state'], nodes: number): Identity => {
  const members = Array.from({ length: nodes }, (_, i) => ({ id: i + 1, name: `n${i + 1}`, raft: `h${i + 1}:9190` }))
  return { clusterId: 'c', nodeId: 1, name: 'n1', members, state }
}

async function addressOf(flags: Record<string, string>, known?: Identity): Promise<string> {
  const { config } = await loadConfig({ file: undefined, flags: { name: 'n1', ...flags }, environment: {} })
  return ownAddress(config, known)
}

const THREE = 'n1=10.0.0.1:9190,n2=10.0.0.2:9190,n3=10.0.0.3:9190'

describe('the address that others are told', () => {
  test('is advertise_addr, else bind_addr', async () => {
    expect(await addressOf({})).toBe('127.0.0.1')
    expect(await addressOf({ bind_addr: '10.0.0.1', initial_cluster: THREE })).toBe('10.0.0.1')
    expect(await addressOf({ bind_addr: '0.0.0.0', advertise_addr: '10.0.0.1', initial_cluster: THREE })).toBe(
      '10.0.0.1',
    )
  })

  test.each(['0.0.0.0', '::', '[0:0::0]'])(
    'is never the wildcard %s: in a cluster of several the setting is named',
    async (bind) => {
      const refused = addressOf({ bind_addr: bind, initial_cluster: THREE })
      const action = expect.stringContaining('advertise_addr to 10.0.0.1')
      await expect(refused).rejects.toMatchObject({ reason: 'ADDRESS_WILDCARD', field: 'advertise_addr', action })
      const formed = addressOf({ bind_addr: bind }, identity('formed', 3))
      await expect(formed).rejects.toMatchObject({ reason: 'ADDRESS_WILDCARD', field: 'advertise_addr' })
      const told = addressOf({ bind_addr: '10.0.0.1', advertise_addr: bind, initial_cluster: THREE })
      await expect(told).rejects.toMatchObject({ reason: 'ADDRESS_WILDCARD', field: 'advertise_addr' })
    },
  )

  test('of a node alone that listens everywhere is one of the machine', async () => {
    const told = await addressOf({ bind_addr: '0.0.0.0' })
    expect(told).toMatch(new RegExp(`^(${hostname()}|[\\d.]+)$`))
    expect(told).not.toBe('0.0.0.0')
    expect(await addressOf({ bind_addr: '::', initial_cluster: 'n1=here.example:9190' })).toBe('here.example')
  })

  test.each<[what: string, leadsTo: string[], told: string]>([
    ['leads to an address of it', ['10.7.7.7'], 'box'],
    ['leads to it by the loopback', ['127.0.1.1'], 'box'],
    ['leads to another machine', ['203.0.113.9'], '10.7.7.7'],
    ['leads nowhere', [], '10.7.7.7'],
  ])("of a node alone that listens everywhere, whose machine's name %s", async (_what, leadsTo, told) => {
    const at = (address: string, internal: boolean) => ({
      ...{ address, internal, family: 'IPv4' as const, netmask: '255.0.0.0', mac: '', cidr: null },
    })
    vi.mocked(hostname).mockReturnValue('box')
    vi.mocked(networkInterfaces).mockReturnValue({ lo: [at('127.0.0.1', true)], eth0: [at('10.7.7.7', false)] })
    const found = leadsTo.map((address) => ({ address, family: 4 }))
    // As one question for all is answered, and as its types say.
    vi.mocked(lookup).mockResolvedValue(Object.assign(found, { address: '', family: 4 }))
    expect(await addressOf({ bind_addr: '0.0.0.0' })).toBe(told)
  })
})

describe('the own entry of initial_cluster', () => {
  test('with another port is refused with raft_port', async () => {
    for (const port of ['9191', '0']) {
      const refused = addressOf({ bind_addr: '10.0.0.1', raft_port: port, initial_cluster: THREE })
      const message = `Cannot form a cluster: initial_cluster says n1=10.0.0.1:9190, this node tells others 10.0.0.1:${port}`
      await expect(refused).rejects.toMatchObject({ reason: 'CLUSTER_MISMATCH', field: 'raft_port', message })
    }
  })

  test('with another host is refused with advertise_addr', async () => {
    const refused = addressOf({ initial_cluster: THREE })
    const action = expect.stringContaining('set advertise_addr to 10.0.0.1')
    await expect(refused).rejects.toMatchObject({ reason: 'CLUSTER_MISMATCH', field: 'advertise_addr', action })
  })

  test('with a name of the same address, or one that is not known here, is taken', async () => {
    expect(await addressOf({ initial_cluster: 'n1=localhost:9190,n2=h2:9190' })).toBe('127.0.0.1')
    expect(await addressOf({ initial_cluster: 'n1=no-such-host.invalid:9190,n2=h2:9190' })).toBe('127.0.0.1')
  })

  test('is not looked at once the cluster is formed', async () => {
    const flags = { raft_port: '9999', initial_cluster: THREE }
    expect(await addressOf(flags, identity('formed', 3))).toBe('127.0.0.1')
    await expect(addressOf(flags, identity('prepared', 3))).rejects.toMatchObject({ reason: 'CLUSTER_MISMATCH' })
  })
})
