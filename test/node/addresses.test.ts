import { expect, test } from 'vitest'
import { peerAddresses } from '../../src/node/addresses.ts'
import type { Identity } from '../../src/node/formation/identity.ts'

const identity: Identity = {
  clusterId: 'c',
  state: 'formed',
  nodeId: 1,
  name: 'n1',
  members: [1, 2, 3].map((id) => ({ id, name: `n${id}`, raft: `formed:${id}` })),
}
const config = { raftVia: [{ name: 'n3', raft: 'via:3' }] }

test('addresses are put together anew only when the catalog has others', () => {
  let known: ReadonlyMap<number, string> = new Map()
  const addresses = peerAddresses(config, identity, () => known)
  const formed = addresses()
  expect([...formed]).toEqual([
    [2, 'formed:2'],
    [3, 'via:3'],
  ])
  expect(addresses()).toBe(formed)
  known = new Map([
    [2, 'moved:2'],
    [3, 'moved:3'],
    [4, 'new:4'],
  ])
  expect(Object.fromEntries(addresses())).toEqual({ 2: 'moved:2', 3: 'via:3', 4: 'new:4' })
  expect(addresses()).toBe(addresses())
})
