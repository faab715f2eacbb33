/** Control and Formation on a real socket: what goes in at one end comes out at the other, and strangers are refused. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { NodeId } from '../../src/base/ids.ts'
import { CATALOG_COMMAND_BYTES_MAX, CATALOG_PARTITIONS_MAX, ID_MAX } from '../../src/base/limits.ts'
import { realEnv } from '../../src/base/real-env.ts'
import { createControlClient, type GrpcControlClient } from '../../src/rpc/control/client.ts'
import { addControlService } from '../../src/rpc/control/service.ts'
import type {
  ControlHandler,
  ControlProposeOutcome,
  ControlReadOutcome,
  LeaderReport,
} from '../../src/rpc/control/types.ts'
import { createFormationTransport } from '../../src/rpc/formation/client.ts'
import { addFormationService } from '../../src/rpc/formation/service.ts'
import type { FormationHandler, FormationHello } from '../../src/rpc/formation/types.ts'
import { createPeerServer, type PeerServer } from '../../src/rpc/peer/port.ts'

const WITHIN_MS = 5000
const BIG = Number.MAX_SAFE_INTEGER

class Recorder implements ControlHandler {
  readonly commands: Uint8Array[] = []
  readonly reports: LeaderReport[] = []
  outcome: ControlProposeOutcome = { type: 'unknown' }
  readOutcome: ControlReadOutcome = { type: 'ok', index: 7 }

  async propose(_from: NodeId, command: Uint8Array): Promise<ControlProposeOutcome> {
    this.commands.push(Uint8Array.from(command))
    return this.outcome
  }

  async readIndex(): Promise<ControlReadOutcome> {
    return this.readOutcome
  }

  report(report: LeaderReport): void {
    this.reports.push(report)
  }
}

const hello = (from: string): FormationHello => ({
  version: 1,
  from,
  boot: 'b1',
  toBoot: '',
  members: [
    { name: 'n1', raft: 'a:1' },
    { name: 'n2', raft: 'b:1' },
  ],
  state: 'empty',
  clusterId: '',
})

const report = (asking: GrpcControlClient, told: Partial<LeaderReport>) =>
  asking.report(2, { node: 1, leads: [], accepts: true, wallMs: 1, ...told }, WITHIN_MS)

describe('control and formation over gRPC', () => {
  let server: PeerServer
  let port: number
  let handler: Recorder
  let formed: boolean
  const clients: GrpcControlClient[] = []
  const violations: [NodeId, string][] = []

  const client = (clusterId = 'c1', node: NodeId = 1): GrpcControlClient => {
    const made = createControlClient({ clusterId, node, address: (to) => (to === 9 ? undefined : `127.0.0.1:${port}`) })
    clients.push(made)
    return made
  }

  beforeEach(async () => {
    handler = new Recorder()
    formed = true
    server = createPeerServer(realEnv())
    const whenFormed = <T>(value: T) => (formed ? value : undefined)
    addControlService(server.services, {
      clusterId: () => whenFormed('c1'),
      node: () => whenFormed(2),
      knows: (node) => node < 5,
      onViolation: (node, field) => violations.push([node, field]),
      connections: server.connections,
      handler: () => whenFormed(handler),
    })
    const formation: FormationHandler = {
      answer: async (said) => ({ ...said, from: 'n2', toBoot: said.boot, state: 'formed', clusterId: 'c1' }),
    }
    addFormationService(server.services, server.connections, () => whenFormed(formation))
    port = await server.listen('127.0.0.1:0')
  })

  afterEach(() => {
    for (const open of clients.splice(0)) open.close()
    server.close()
  })

  test('a command reaches the handler byte for byte, and every outcome comes back', async () => {
    const outcomes: ControlProposeOutcome[] = [
      { type: 'applied', index: BIG, reply: Buffer.from([1, 2, 3]) },
      { type: 'applied', index: 0, reply: Buffer.alloc(0) },
      { type: 'refused', leader: 3 },
      { type: 'refused', leader: 0 },
      { type: 'unknown' },
    ]
    const asking = client()
    for (const outcome of outcomes) {
      handler.outcome = outcome
      const answer = await asking.propose(2, Uint8Array.of(9, 8, 7), WITHIN_MS)
      expect(answer).toEqual(outcome)
      expect(handler.commands.at(-1)).toEqual(Uint8Array.of(9, 8, 7))
    }
  })

  test('a read point comes back, or who leads instead', async () => {
    const asking = client()
    expect(await asking.readIndex(2, WITHIN_MS)).toEqual({ type: 'ok', index: 7 })
    handler.readOutcome = { type: 'refused', leader: 1 }
    expect(await asking.readIndex(2, WITHIN_MS)).toEqual({ type: 'refused', leader: 1 })
  })

  test('a report arrives under the name of the node that the handshake gave', async () => {
    const report = { leads: [{ group: ID_MAX, term: 5 }], accepts: true, wallMs: 1_900_000_000_000 }
    await client('c1', 3).report(2, { node: 77, ...report }, WITHIN_MS)
    expect(handler.reports).toEqual([{ node: 3, ...report }])
    await client('c1', 3).report(2, { node: 3, leads: [], accepts: false, wallMs: 0 }, WITHIN_MS)
    expect(handler.reports[1]).toEqual({ node: 3, leads: [], accepts: false, wallMs: 0 })
  })

  test('another cluster, another node and a node without a cluster refuse', async () => {
    await expect(client('c2').readIndex(2, WITHIN_MS)).rejects.toThrow('it is of another cluster')
    await expect(client().readIndex(3, WITHIN_MS)).rejects.toThrow('it looks for node 3')
    formed = false
    await expect(client().readIndex(2, WITHIN_MS)).rejects.toThrow('no cluster yet')
    expect(handler.commands).toEqual([])
  })

  test('a node that the cluster does not have is refused', async () => {
    await expect(client('c1', 7).readIndex(2, WITHIN_MS)).rejects.toThrow('no node of this cluster has its id')
  })

  test.each<[field: string, ask: (asking: GrpcControlClient) => Promise<unknown>]>([
    ['command', (asking) => asking.propose(2, new Uint8Array(CATALOG_COMMAND_BYTES_MAX + 1), WITHIN_MS)],
    ['leads', (asking) => report(asking, { leads: Array(CATALOG_PARTITIONS_MAX + 2).fill({ group: 1, term: 1 }) })],
    ['leads.group', (asking) => report(asking, { leads: [{ group: 0, term: 1 }] })],
    ['leads.term', (asking) => report(asking, { leads: [{ group: 1, term: BIG }] })],
    ['wall_ms', (asking) => report(asking, { wallMs: BIG })],
  ])('%s beyond its bound is a violation, and reaches nobody', async (field, ask) => {
    violations.length = 0
    await expect(ask(client())).rejects.toThrow('INVALID_ARGUMENT')
    expect(violations).toEqual([[1, field]])
    expect([handler.commands, handler.reports]).toEqual([[], []])
  })

  test('a node whose address is not known cannot be asked', async () => {
    await expect(client().readIndex(9, WITHIN_MS)).rejects.toMatchObject({ reason: 'UNREACHABLE' })
  })

  test('a hello and its answer come over as they are', async () => {
    const transport = createFormationTransport()
    try {
      const answer = await transport.exchange(`127.0.0.1:${port}`, hello('n1'), WITHIN_MS)
      expect(answer).toEqual({ ...hello('n2'), toBoot: 'b1', state: 'formed', clusterId: 'c1' })
    } finally {
      transport.close()
    }
  })

  test('nobody at the address, or no address of the name: the exchange fails with that instead of waiting', async () => {
    const transport = createFormationTransport()
    server.close()
    const refusal = (address: string) => transport.exchange(address, hello('n1'), WITHIN_MS)
    try {
      await expect(refusal(`127.0.0.1:${port}`)).rejects.toThrow('nobody listens there')
      await expect(refusal('no-such-host.invalid:9190')).rejects.toThrow('its name does not resolve')
    } finally {
      transport.close()
    }
  })
})
