/** A data folder as a stopped node leaves it, made by the real storage: two groups in the log, one of them with state, and who the node is. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realEnv } from '../../src/base/real-env.ts'
import { createIdentityStore } from '../../src/node/formation/identity-file.ts'
import { openStorage, type Storage } from '../../src/node/storage.ts'

export const IDENTITY = {
  clusterId: 'c'.repeat(32),
  nodeId: 1,
  name: 'n1',
  members: [{ id: 1, name: 'n1', raft: '127.0.0.1:9190' }],
  state: 'formed',
} as const

const CONF_STATE = { voters: [1], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }

/** The path of a new one, in the system's temporary folder. */
export async function storedFolder(): Promise<string> {
  const data = await mkdtemp(join(tmpdir(), 'sandglass-stored-'))
  const storage = await openStored(data)
  await append(storage, 1, 3)
  await append(storage, 7, 2)
  const state = await storage.state.group(7)
  for (let i = 0; i < 50; i++) state.put(`row ${i}`, Buffer.alloc(100, i))
  await state.checkpoint({ applied: 2, term: 1, confState: CONF_STATE, lastAt: 0 })
  await storage.close()
  await createIdentityStore(data).write(IDENTITY)
  return data
}

/** As a node opens it. */
export function openStored(data: string): Promise<Storage> {
  const ignore = () => undefined
  return openStorage({
    env: realEnv(),
    data,
    walRetainBytes: 1 << 20,
    diskReserveBytes: 0,
    onFatal: ignore,
    onWalState: ignore,
    onBatch: ignore,
    onStateError: ignore,
  })
}

/** Entries of the group's first replica here, durable when it resolves. */
function append({ wal }: Storage, group: number, count: number): Promise<void> {
  const entries = Array.from({ length: count }, (_, i) => ({
    index: i + 1,
    term: 1,
    type: 'normal' as const,
    data: Buffer.alloc(700, i + 1),
  }))
  return new Promise((done) =>
    wal.append({ group, replica: 1000 + group, entries, hard: { term: 1, vote: 1, commit: count } }, done),
  )
}
