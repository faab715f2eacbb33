/** The files in deploy/ as they are: ports, formation, balance, side port, start errors. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../../chaos/harness/deadline.ts'
import { NodeProcess } from '../../chaos/harness/node-process.ts'
import { sandctl } from '../../chaos/harness/sandctl.ts'

const ADDRS = '127.0.0.1:7170,127.0.0.1:7171,127.0.0.1:7172'
let cwd = ''
let nodes: NodeProcess[] = []

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'sandglass-deploy-'))
  nodes = [1, 2, 3].map(
    (i) => new NodeProcess({ name: `n${i}`, args: ['--config', resolve(`deploy/node${i}.yaml`)], cwd }),
  )
})
afterAll(async () => {
  for (const node of nodes) await node.kill()
  rmSync(cwd, { recursive: true, force: true })
})

async function leaders(topic: string): Promise<Record<string, number>> {
  const ran = await sandctl(['-s', ADDRS, '-o', 'json', 'topics', 'describe', topic])
  const { partitions } = JSON.parse(ran.stdout) as { partitions: { leader: string }[] }
  const counts: Record<string, number> = { n1: 0, n2: 0, n3: 0 }
  for (const { leader } of partitions) counts[leader] = (counts[leader] ?? 0) + 1
  return counts
}

const balanced = (counts: Record<string, number>) =>
  ['n1', 'n2', 'n3'].every((name) => Math.abs((counts[name] ?? 0) - 4) <= 1)

describe('three nodes from deploy/', () => {
  test('wait for the silent one, then form, and say so on stdout', async () => {
    nodes[0]?.start()
    nodes[1]?.start()
    await eventually('n1 says for whom it waits', 15_000, () => nodes[0]?.log().includes('formation_waiting'))
    expect(nodes[0]?.log()).toContain('n3')
    const response = await eventually('the side port answers', 10_000, () => fetch('http://127.0.0.1:2108/readyz'))
    expect(response.status).toBe(503)
    nodes[2]?.start()
    const lines = await Promise.all(nodes.map((node) => node.ready()))
    expect(lines).toEqual(
      [1, 2, 3].map((i) => ({
        event: 'ready',
        name: `n${i}`,
        grpc: `127.0.0.1:${7169 + i}`,
        http: `127.0.0.1:${1108 + 1000 * i}`,
        raft: `127.0.0.1:${9189 + i}`,
      })),
    )
    for (const port of [2108, 3108, 4108]) {
      expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200)
      expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200)
    }
  })

  test('spread twelve partitions and their leaders evenly within 10 s, and again within 60 s after a restart', async () => {
    const created = await sandctl([
      '-s',
      ADDRS,
      'topics',
      'create',
      'spread',
      '--num_partitions',
      '12',
      '--replication_factor',
      '3',
    ])
    expect(created.code).toBe(0)
    await eventually('4 ± 1 leaders each', 10_000, async () => balanced(await leaders('spread')))
    const [, second] = nodes
    await second?.kill()
    second?.start()
    await second?.ready()
    await eventually('4 ± 1 leaders each again', 60_000, async () => balanced(await leaders('spread')))
  })

  test('a second process on the same folder is refused with DATA_LOCKED', async () => {
    const twin = new NodeProcess({
      name: 'twin',
      args: ['--config', resolve('deploy/node1.yaml'), '--grpc_port', '0', '--http_port', '0', '--raft_port', '0'],
      cwd,
    })
    twin.start()
    expect((await twin.exited()).code).toBe(1)
    expect(twin.log()).toContain('DATA_LOCKED')
  })

  test('a command that is none is refused as wrong usage', async () => {
    const wrong = new NodeProcess({ name: 'wrong', args: ['strat', '--config', resolve('deploy/node1.yaml')], cwd })
    wrong.start()
    expect((await wrong.exited()).code).toBe(2)
    expect(wrong.log()).toContain('Cannot run strat: no such command')
  })

  test('an emptied node is refused with NODE_HAS_HISTORY', async () => {
    const [, , third] = nodes
    await third?.kill()
    rmSync(join(cwd, 'data/n3'), { recursive: true })
    third?.start()
    expect((await third?.exited())?.code).toBe(1)
    expect(third?.log()).toContain('NODE_HAS_HISTORY')
  })

  test('an unknown setting is a usage error that names it', async () => {
    const node = new NodeProcess({ name: 'odd', args: ['--colour', 'red'], cwd })
    node.start()
    expect((await node.exited()).code).toBe(2)
    expect(node.log()).toContain('colour')
  })

  test('a taken port is refused with PORT_IN_USE', async () => {
    const args = [
      '--name',
      'solo',
      '--data',
      join(cwd, 'solo'),
      '--raft_port',
      '0',
      '--http_port',
      '0',
      '--grpc_port',
      '7170',
    ]
    const node = new NodeProcess({ name: 'solo', args, cwd })
    node.start()
    expect((await node.exited()).code).toBe(1)
    expect(node.log()).toContain('PORT_IN_USE')
  })
})
