/** Data folders that a real node must not use: each is refused with its reason. */
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually } from '../../chaos/harness/deadline.ts'
import { NodeProcess } from '../../chaos/harness/node-process.ts'

const SAID_MS = 15_000
let folder = ''

function nodeOn(data: string, name: string): NodeProcess {
  const flags = { name, data, grpc_port: '0', http_port: '0', raft_port: '0' }
  return new NodeProcess({
    name,
    args: Object.entries(flags).flatMap(([key, value]) => [`--${key}`, value]),
    cwd: folder,
  })
}

/** The folder of a node that was alone in its cluster. */
async function usedFolder(name: string): Promise<string> {
  const data = join(folder, name)
  const node = nodeOn(data, 'n1')
  node.start()
  await node.ready()
  await node.kill()
  return data
}

/** What a node says that ends by itself. */
async function refusalOf(node: NodeProcess): Promise<{ code: number | null; reason: string; message: string }> {
  node.start()
  const { code } = await node.exited()
  const line = await eventually('the error on stderr', SAID_MS, () => {
    return node
      .log()
      .split('\n')
      .find((one) => one.startsWith('{"error":{"reason"'))
  })
  return { code, ...JSON.parse(line).error }
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandglass-wrong-folder-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('the folder of another node: DATA_FOREIGN', async () => {
  const data = await usedFolder('foreign')
  expect(await refusalOf(nodeOn(data, 'n2'))).toEqual({
    code: 1,
    reason: 'DATA_FOREIGN',
    message: 'Cannot start n2: the data folder is of node n1',
    field: 'data',
    action: expect.stringContaining('data folder of this node'),
  })
})

/** As a later version would write it: its checksums are right. */
const NEWER: Readonly<Record<string, (data: string) => void>> = {
  'identity.json': (data) => {
    const path = join(data, 'identity.json')
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"format": \d+/, '"format": 99'))
  },
  'a segment of the log': (data) => {
    const wal = join(data, 'shard-0', 'wal')
    const path = join(
      wal,
      readdirSync(wal)
        .filter((name) => name.endsWith('.wal'))
        .sort()[0] ?? '',
    )
    const bytes = readFileSync(path)
    bytes.writeUInt32LE(2, 48)
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60)
    writeFileSync(path, bytes)
  },
  'what is remembered of damage': (data) => {
    const crc = crc32(JSON.stringify([3, []]))
    writeFileSync(join(data, 'shard-0', 'wal', 'DAMAGED.json'), JSON.stringify({ format: 3, crc, places: [] }))
  },
}

test.each(Object.entries(NEWER))('a newer format of %s: DATA_NEWER', async (what, change) => {
  const data = await usedFolder(what)
  change(data)
  const { code, reason, message } = await refusalOf(nodeOn(data, 'n1'))
  expect({ code, reason }).toEqual({ code: 1, reason: 'DATA_NEWER' })
  expect(message).toMatch(/format/)
})

test('the folder of another cluster: DATA_FOREIGN, and the others go on', async () => {
  const cluster = await Cluster.create()
  try {
    const data = (name: string) => join(cluster.folder, name)
    await cluster.start()
    await Promise.all(cluster.nodes.map((node) => node.kill()))
    renameSync(data('n3'), join(cluster.folder, 'earlier'))
    for (const name of ['n1', 'n2']) rmSync(data(name), { recursive: true })
    await cluster.start()
    const node = cluster.node('n3')
    await node.kill()
    renameSync(data('n3'), join(cluster.folder, 'own'))
    renameSync(join(cluster.folder, 'earlier'), data('n3'))
    const { code, reason, message } = await refusalOf(node)
    expect({ code, reason }).toEqual({ code: 1, reason: 'DATA_FOREIGN' })
    expect(message).toBe(
      'Cannot start: the data folder is of another cluster. Cannot take the call: it is of another cluster',
    )
    rmSync(data('n3'), { recursive: true })
    renameSync(join(cluster.folder, 'own'), data('n3'))
    await cluster.start()
    expect(cluster.nodes.map(({ running }) => running)).toEqual([true, true, true])
  } finally {
    await cluster.destroy()
  }
})
