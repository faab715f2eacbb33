import { beforeEach, describe, expect, test } from 'vitest'
import type { Identity, IdentityStore } from '../../../src/node/formation/identity.ts'
import { type Formation, runFormation, type Silent } from '../../../src/node/formation/run-formation.ts'
import type { StartError } from '../../../src/node/start-error.ts'
import type { FormationMember, FormationTransport } from '../../../src/rpc/formation/types.ts'
import { type VirtualEnv, VirtualTime } from '../../virtual-env.ts'

const MEMBERS = ['n1', 'n2', 'n3'].map((name) => ({ name, raft: `${name}:9190` }))
const WRITE_MS = 5

/** The folder of one node: survives its processes. */
class Folder implements IdentityStore {
  identity: Identity | undefined
  readonly writes: Identity['state'][] = []
  readonly #time: VirtualTime

  constructor(time: VirtualTime) {
    this.#time = time
  }

  read(): Promise<Identity | undefined> {
    return Promise.resolve(this.identity)
  }

  async write(identity: Identity): Promise<void> {
    await new Promise<void>((resolve) => this.#time.after(WRITE_MS, resolve))
    this.identity = identity
    this.writes.push(identity.state)
  }
}

class Process {
  readonly env: VirtualEnv
  readonly waiting: (readonly Silent[])[] = []
  formation: Formation | undefined
  outcome: Identity | StartError | undefined

  constructor(env: VirtualEnv) {
    this.env = env
  }
}

describe('formation over a network', () => {
  let time: VirtualTime
  let folders: Map<string, Folder>
  let running: Map<string, Process>

  const folder = (name: string): Folder => {
    const known = folders.get(name) ?? new Folder(time)
    folders.set(name, known)
    return known
  }

  /** To whoever runs at the address; silence if nobody does. */
  const transport = (): FormationTransport => ({
    exchange: async (address, hello) => {
      const find = () => running.get(address.split(':')[0] ?? '')?.formation
      await new Promise<void>((resolve) => time.after(1, resolve))
      const answer = await find()?.answer(hello)
      await new Promise<void>((resolve) => time.after(1, resolve))
      if (answer === undefined) throw new Error('refused')
      return answer
    },
    close: () => undefined,
  })

  const start = async (name: string, members: readonly FormationMember[] = MEMBERS, hasData = false) => {
    const process = new Process(time.env())
    running.set(name, process)
    const { env, waiting } = process
    const onWaiting = (silent: readonly Silent[]) => waiting.push(silent)
    const options = { env, store: folder(name), transport: transport(), name, members, hasData, onWaiting }
    process.formation = await time.during(runFormation(options))
    const settle = (outcome: Identity | StartError) => {
      process.outcome = outcome
    }
    process.formation.formed().then(settle, settle)
    return process
  }

  const crash = (name: string) => {
    running.get(name)?.env.crash()
    running.get(name)?.formation?.close()
    running.delete(name)
  }

  beforeEach(() => {
    time = new VirtualTime()
    folders = new Map()
    running = new Map()
  })

  test('three empty nodes form one cluster within a second', async () => {
    const processes = []
    for (const { name } of MEMBERS) processes.push(await start(name))
    await time.run(1000)
    const identities = processes.map(({ outcome }) => outcome)
    expect(identities).toMatchObject([
      { nodeId: 1, state: 'formed', name: 'n1' },
      { nodeId: 2, state: 'formed', name: 'n2' },
      { nodeId: 3, state: 'formed', name: 'n3' },
    ])
    expect(new Set([...folders.values()].map(({ identity }) => identity?.clusterId)).size).toBe(1)
    for (const { writes } of folders.values()) expect(writes).toEqual(['prepared', 'formed'])
  })

  test('a node alone is formed at once', async () => {
    const { outcome } = await start('solo', [{ name: 'solo', raft: 'solo:1' }])
    await time.run(0)
    expect(outcome ?? running.get('solo')?.outcome).toMatchObject({ nodeId: 1, state: 'formed' })
  })

  test('while some node is silent nothing is written, and it is said for whom they wait', async () => {
    const first = await start('n1')
    await start('n2')
    await time.run(20_000)
    expect([...folders.values()].flatMap(({ writes }) => writes)).toEqual([])
    expect(first.waiting[0]).toEqual([{ name: 'n3', raft: 'n3:9190', why: 'refused' }])
    expect(first.waiting.length).toBeGreaterThan(2)
    await start('n3')
    await time.run(1000)
    expect(first.outcome).toMatchObject({ state: 'formed' })
  })

  test('a crash of the first name after its first write does not make a second cluster', async () => {
    await start('n2')
    await start('n3')
    await start('n1')
    await time.until(() => folder('n1').identity?.state === 'prepared')
    const minted = folder('n1').identity?.clusterId
    crash('n1')
    await time.run(2000)
    await start('n1')
    await time.run(1000)
    expect([...folders.values()].map(({ identity }) => [identity?.clusterId, identity?.state])).toEqual([
      [minted, 'formed'],
      [minted, 'formed'],
      [minted, 'formed'],
    ])
  })

  test('formed() does not resolve before `formed` is durable', async () => {
    for (const { name } of MEMBERS) await start(name)
    for (let ms = 0; ms < 1000; ms++) {
      await time.run(1)
      for (const [name, { outcome }] of running) {
        if (outcome !== undefined) expect(folder(name).identity?.state).toBe('formed')
      }
    }
  })

  test('a wiped node of a formed cluster exits with NODE_HAS_HISTORY, the first name too', async () => {
    for (const { name } of MEMBERS) await start(name)
    await time.run(1000)
    for (const name of ['n2', 'n1']) {
      crash(name)
      folders.delete(name)
      const { outcome } = await start(name)
      expect(outcome).toBeUndefined()
      await time.run(3000)
      expect(running.get(name)?.outcome).toMatchObject({ reason: 'NODE_HAS_HISTORY' })
      expect(folder(name).writes).toEqual([])
      crash(name)
    }
  })

  test('a formed folder starts alone and whatever list it is given', async () => {
    for (const { name } of MEMBERS) await start(name)
    await time.run(1000)
    for (const { name } of MEMBERS) crash(name)
    const again = await start('n3', [{ name: 'n3', raft: 'elsewhere:1' }])
    await time.run(0)
    expect(again.outcome).toMatchObject({ nodeId: 3, state: 'formed' })
  })

  test('different lists: both sides say so and exit', async () => {
    const one = await start('n1', MEMBERS.slice(0, 2))
    const two = await start('n2', [...MEMBERS.slice(0, 2)].reverse())
    await time.run(3000)
    expect(one.outcome).toMatchObject({ reason: 'CLUSTER_MISMATCH' })
    expect(two.outcome).toMatchObject({ reason: 'CLUSTER_MISMATCH' })
    expect([...folders.values()].flatMap(({ writes }) => writes)).toEqual([])
  })

  test.each([
    ['a list without the node itself', 'n4', MEMBERS],
    ['a name twice', 'n1', [...MEMBERS, { name: 'n1', raft: 'x:1' }]],
    ['an address twice', 'n1', [...MEMBERS, { name: 'n4', raft: 'n1:9190' }]],
  ])('%s is refused at once', async (_, name, members) => {
    await expect(start(name, members)).rejects.toMatchObject({ reason: 'CLUSTER_MISMATCH' })
  })

  test('a folder of another node, one prepared for another list, and data without identity are refused', async () => {
    await start('n1')
    await start('n2')
    await start('n3')
    await time.until(() => folder('n2').identity?.state === 'prepared')
    for (const { name } of MEMBERS) crash(name)
    folders.set('other', folder('n2'))
    await expect(start('other')).rejects.toMatchObject({ reason: 'DATA_FOREIGN' })
    await expect(start('n2', MEMBERS.slice(0, 2))).rejects.toMatchObject({ reason: 'CLUSTER_MISMATCH' })
    folders.delete('n2')
    await expect(start('n2', MEMBERS, true)).rejects.toMatchObject({ reason: 'DATA_DAMAGED' })
  })

  test('an address at which another node answers is an error that names both', async () => {
    const moved = MEMBERS.map(({ name }) => ({ name, raft: name === 'n2' ? 'n3:9191' : `${name}:9190` }))
    const first = await start('n1', moved)
    await start('n3', moved)
    await time.run(3000)
    expect(first.outcome).toMatchObject({
      reason: 'CLUSTER_MISMATCH',
      message: expect.stringContaining('calls itself n3'),
    })
  })

  test('a write that fails stops the node', async () => {
    const broken = folder('solo')
    broken.write = () => Promise.reject(new Error('no space'))
    const process = await start('solo', [{ name: 'solo', raft: 'solo:1' }])
    await time.run(2000)
    expect(process.outcome).toMatchObject({ message: 'no space' })
  })
})
