import { beforeEach, describe, expect, test } from 'vitest'
import type { Identity } from '../../../src/node/formation/identity.ts'
import { createIdentityStore } from '../../../src/node/formation/identity-file.ts'
import { SimulatedDisk, seededRandom } from '../../storage/simulated-disk.ts'

const PATH = '/data/identity.json'
const prepared: Identity = {
  clusterId: '0123456789abcdef0123456789abcdef',
  nodeId: 2,
  name: 'n2',
  members: [
    { id: 1, name: 'n1', raft: 'a:1' },
    { id: 2, name: 'n2', raft: 'b:1' },
  ],
  state: 'prepared',
}
const formed: Identity = { ...prepared, state: 'formed' }

describe('identity file', () => {
  let disk: SimulatedDisk
  const store = () => createIdentityStore('/data', disk.boot())
  const write = (text: string) => disk.replace(PATH, Buffer.from(text))
  const text = () => Buffer.from(disk.contents(PATH)).toString()

  beforeEach(async () => {
    disk = new SimulatedDisk()
    await disk.makeDir('/data')
  })

  test('an empty folder has no identity, a written one comes back as it was', async () => {
    expect(await store().read()).toBeUndefined()
    await store().write(prepared)
    expect(await store().read()).toEqual(prepared)
    await store().write(formed)
    expect(await store().read()).toEqual(formed)
  })

  test('a power cut at any moment leaves the old identity or the new one, and never loses what was confirmed', async () => {
    for (let seed = 0; seed < 400; seed++) {
      disk = new SimulatedDisk()
      const confirmed: Identity[] = []
      disk.stopBefore = 1 + (seed % 14)
      const writer = store()
      const writes = (async () => {
        for (const identity of [prepared, formed]) {
          await writer.write(identity)
          confirmed.push(identity)
        }
      })()
      await Promise.race([writes, stopped(disk)])
      disk.crash(seededRandom(seed))
      const found = await store().read()
      const allowed = [[undefined, prepared], [prepared, formed], [formed]][confirmed.length] ?? []
      expect(allowed, `seed ${seed}`).toContainEqual(found)
    }
  })

  test('what a start has read is still there after a power cut, even if its writer died before the last sync', async () => {
    let read = 0
    for (let seed = 0; seed < 200; seed++) {
      disk = new SimulatedDisk()
      disk.stopBefore = 1 + (seed % 7)
      await Promise.race([store().write(prepared), stopped(disk)])
      disk.kill()
      const found = await store().read()
      disk.crash(seededRandom(seed))
      if (found === undefined) continue
      read++
      expect(await store().read()).toEqual(found)
    }
    expect(read).toBeGreaterThan(0)
  })

  test('a damaged file is refused wherever the damage is', async () => {
    await store().write(formed)
    const good = text()
    const replaced = [good.replace('n2', 'n3'), good.replace('"nodeId": 2', '"nodeId": 1'), good.slice(0, -10), '']
    replaced.push(good.replace('formed', 'prepared'), '[]', '{"format": 1}')
    for (const bad of replaced) {
      write(bad)
      await expect(store().read(), bad).rejects.toMatchObject({ reason: 'DATA_DAMAGED' })
    }
  })

  test('a file of a later format is refused as newer, not as damaged', async () => {
    await store().write(formed)
    write(text().replace('"format": 3', '"format": 4'))
    await expect(store().read()).rejects.toMatchObject({ reason: 'DATA_NEWER' })
  })

  test('a file of an earlier format is read, and raised before anything else is written', async () => {
    await store().write(formed)
    write(text().replace('"format": 3', '"format": 1'))
    expect(await store().read()).toEqual(formed)
    expect(text()).toContain('"format": 1')
    await store().raise()
    expect(text()).toContain('"format": 3')
    expect(await store().read()).toEqual(formed)
  })

  test('a full disk leaves the old identity in place', async () => {
    await store().write(prepared)
    disk.fault = (operation) => (operation === 'writev' ? { type: 'error', code: 'ENOSPC' } : undefined)
    await expect(store().write(formed)).rejects.toMatchObject({ code: 'ENOSPC' })
    disk.fault = () => undefined
    expect(await store().read()).toEqual(prepared)
  })

  test('a short write is a failure', async () => {
    disk.fault = (operation) => (operation === 'writev' ? { type: 'short', bytes: 10 } : undefined)
    await expect(store().write(formed)).rejects.toThrow('only 10 of')
    expect(await store().read()).toBeUndefined()
  })
})

/** Resolves when the disk has stopped dead and nothing more can happen. */
async function stopped(disk: SimulatedDisk): Promise<void> {
  while (!disk.stopped) await new Promise((resolve) => setImmediate(resolve))
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}
