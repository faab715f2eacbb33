/**
 * A stranger who knows the cluster id speaks in the name of one node to the others, for a while and from a seed: lies of every kind
 * that once ended a node, and frames that are nearly right. No process ends, and the cluster goes on.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { Client, credentials, type Metadata } from '@grpc/grpc-js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../../chaos/harness/cluster.ts'
import { eventually, within } from '../../chaos/harness/deadline.ts'
import { CATALOG_GROUP } from '../../src/base/ids.ts'
import type { SandglassClient } from '../../src/client/index.ts'
import type { Identity } from '../../src/node/formation/identity.ts'
import { makeMessage } from '../../src/raft/state.ts'
import type { Message } from '../../src/raft/types.ts'
import { encodeFrame, encodeSnapshotHeader } from '../../src/replication/frame/frame.ts'
import { decodeBody, EXCHANGE, encodeBody, encodeHandshake, INSTALL_SNAPSHOT } from '../../src/rpc/peer/wire.ts'
import { encodeChunk } from '../../src/storage/state/chunk.ts'
import { Random } from '../raft/simulation/random.ts'

const SEED = Number(process.env.SANDGLASS_SEED ?? Date.now() % 1_000_000)
const ROUNDS = 300
const LIAR = 2
const BEYOND = Number.MAX_SAFE_INTEGER
/** A place that no log here reaches, so that nothing that is said of it can be taken for true. */
const AHEAD = 1_000_000

let cluster: Cluster
let client: SandglassClient
let identity: Identity

beforeAll(async () => {
  cluster = await Cluster.create()
  await cluster.start()
  client = await cluster.client({ timeoutMs: 30_000 })
  await client.topics.create({ name: 'honest', partitions: 1, replicationFactor: 3 })
  identity = JSON.parse(readFileSync(join(cluster.folder, 'n2', 'identity.json'), 'utf8')).identity
}, 60_000)

afterAll(() => cluster.destroy())

test('of every kind end no node, and an honest cluster goes on', async () => {
  const random = new Random(SEED)
  const pids = cluster.nodes.map(({ pid }) => pid)
  const told = { refused: 0, taken: 0 }
  for (const { id, raft } of identity.members.filter((member) => member.id !== LIAR)) {
    const channel = new Client(raft, credentials.createInsecure())
    const handshake = () => encodeHandshake({ clusterId: identity.clusterId, from: LIAR, to: id })
    for (let round = 0; round < ROUNDS; round++) {
      const said = random.chance(0.1)
        ? offer(channel, handshake(), snapshot(random, id))
        : say(channel, handshake(), lie(random, id))
      const field = await within(`round ${round} of seed ${SEED}`, 20_000, said)
      told[field === undefined ? 'taken' : 'refused']++
    }
    channel.close()
  }
  const note = `seed ${SEED}: ${JSON.stringify(told)}`
  expect(told.refused, note).toBeGreaterThan(ROUNDS / 2)
  expect(
    cluster.nodes.map(({ running, pid }) => (running ? pid : 0)),
    note,
  ).toEqual(pids)
  await eventually(`an honest produce, ${note}`, 40_000, () => client.producer().produce('honest', { value: 'on' }))
}, 120_000)

/** Says it over a stream of its own; resolves with how it was refused, or undefined once the other end has read it all. */
function say(channel: Client, handshake: Metadata, body: Uint8Array): Promise<string | undefined> {
  const { path, requestSerialize, responseDeserialize } = EXCHANGE
  const stream = channel.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, handshake)
  return new Promise((resolve) => {
    stream.on('error', (error: Error) => resolve(error.message))
    stream.on('end', () => resolve(undefined))
    stream.resume()
    stream.write(body)
    stream.end()
  })
}

/** As a whole snapshot; resolves with how it was refused. */
function offer(channel: Client, handshake: Metadata, bodies: readonly Uint8Array[]): Promise<string | undefined> {
  const { path, requestSerialize, responseDeserialize } = INSTALL_SNAPSHOT
  return new Promise((resolve) => {
    const call = channel.makeClientStreamRequest(path, requestSerialize, responseDeserialize, handshake, (error) =>
      resolve(error?.message),
    )
    for (const body of bodies) call.write(body)
    call.end()
  })
}

const KINDS: readonly Partial<Message>[] = [
  { type: 'heartbeat', commit: 1e9 },
  { type: 'heartbeat', term: BEYOND },
  { type: 'requestVote', term: BEYOND, index: AHEAD },
  { type: 'requestVote', term: 2 ** 40, index: AHEAD },
  { type: 'requestPreVote', term: 2 ** 40, index: AHEAD },
  { type: 'appendEntriesResponse', index: BEYOND },
  { type: 'appendEntriesResponse', index: 1e9 },
  { type: 'heartbeatResponse', context: BEYOND },
  { type: 'heartbeatResponse', reject: true, index: 1e9 },
  { type: 'heartbeat', from: 777 },
  { type: 'heartbeat', from: 3 },
  { type: 'readIndex', term: 0, context: BEYOND },
  { type: 'readIndexResponse', index: 1e9, context: 7 },
  { type: 'installSnapshot', snapshot: { index: 9, term: 1, confState: nobody() } },
  ...[Uint8Array.of(9), Uint8Array.of(1, 0, 0, 0, 0, 0, 1, 1, 2, 99, 1)].map((data) => appended('normal', data)),
  ...[Uint8Array.of(0x50), Uint8Array.of(0x10, 1, 9, 1)].map((data) => appended('confChange', data)),
]

function nobody() {
  return { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }
}

function appended(type: 'normal' | 'confChange', data: Uint8Array): Partial<Message> {
  return { type: 'appendEntries', index: AHEAD, logTerm: 1, entries: [{ term: 1, index: AHEAD + 1, type, data }] }
}

/** Whole and with checksums that fit, of rows that are garbage. */
function snapshot(random: Random, to: number): readonly Uint8Array[] {
  const confState = { ...nobody(), voters: [1, 2, 3] }
  const named = { from: LIAR, term: 1, snapshot: { index: AHEAD, term: 1, confState } }
  const message = { ...makeMessage('installSnapshot', to), ...named }
  const header = encodeSnapshotHeader({ lastAt: Date.now(), group: CATALOG_GROUP, message })
  const bytes = (count: number) => Uint8Array.from({ length: count }, () => random.below(256))
  const rows = ['c', 'n1', 'torders', 'x'].map((key) => ({ key, value: bytes(random.below(40)) }))
  const of = rows.filter((row) => row.key === 'x' || random.chance(0.5))
  return [header, encodeChunk({ number: 0, before: 0, last: true, rows: of }), new Uint8Array(0)]
}

function lie(random: Random, to: number): Uint8Array {
  const kind = random.pick(KINDS) ?? {}
  const whole = { ...makeMessage('heartbeat', to), from: LIAR, term: 1, ...kind }
  const copies = random.chance(0.02) ? 5_000 : 1
  const frame = encodeFrame({
    clock: {
      wallMs: Date.now(),
      stamp: random.below(2 ** 32),
      ...(random.chance(0.5) ? { echo: { stamp: random.below(2 ** 32), heldMs: random.below(9000) } } : {}),
    },
    envelopes: Array(copies).fill({ group: CATALOG_GROUP, message: whole }),
  })
  return random.chance(0.4) ? mutated(random, frame) : frame
}

/** Some bytes changed, or the end cut off; most often under a checksum that fits. */
function mutated(random: Random, frame: Uint8Array): Uint8Array {
  const bytes = Buffer.from(decodeBody(encodeBody(frame)))
  for (let i = 0; i < 3; i++) bytes[random.below(bytes.length)] = random.below(256)
  const cut = random.chance(0.2) ? bytes.subarray(0, random.below(bytes.length)) : bytes
  if (cut.length > 4 && random.chance(0.8)) cut.writeUInt32BE(crc32(cut.subarray(0, -4)), cut.length - 4)
  return cut
}
