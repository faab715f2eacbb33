import { expect, test } from 'vitest'
import { ForeignFolder } from '../../src/node/foreign-folder.ts'
import type { StartError } from '../../src/node/start-error.ts'
import { checkHandshake, encodeHandshake } from '../../src/rpc/peer/wire.ts'

/** As a node of another cluster says it. */
const checked = checkHandshake(encodeHandshake({ clusterId: 'a', from: 1, to: 2 }), { clusterId: 'b', node: 2 })
const OTHER = `Cannot accept the peer: ${'refused' in checked ? checked.refused : ''}`

function watched(members: number): { folder: ForeignFolder; errors: StartError[] } {
  const errors: StartError[] = []
  return { folder: new ForeignFolder(members, (error) => errors.push(error)), errors }
}

test('a folder that a majority of the members refuses is of another cluster, and one refusal is not enough', () => {
  const { folder, errors } = watched(3)
  for (let i = 0; i < 3; i++) folder.refused(2, OTHER)
  expect(errors).toEqual([])
  folder.refused(3, OTHER)
  folder.refused(3, OTHER)
  expect(errors).toMatchObject([{ reason: 'DATA_FOREIGN', message: expect.stringContaining(OTHER) }])
})

test('other refusals, peers that were put right since, and what comes once the node is ready do not count', () => {
  const { folder, errors } = watched(3)
  folder.refused(2, OTHER)
  folder.heard(2)
  folder.refused(3, OTHER)
  folder.refused(2, 'Cannot accept the peer: its protocol is 1, ours is 2')
  expect(errors).toEqual([])
  folder.ready()
  folder.refused(2, OTHER)
  expect(errors).toEqual([])
})
