import { expect, test } from 'vitest'
import { readKnownIds } from '../../../src/node/catalog/known-ids.ts'
import { createCatalogView } from '../../../src/views/catalog/catalog-view.ts'
import { encodeCommand } from '../../../src/views/catalog/command-codec.ts'
import type { CatalogCommand } from '../../../src/views/catalog/commands.ts'
import { MemoryStore } from '../../views/catalog/memory-store.ts'

/** Two nodes and a topic of two partitions, each on one of them; this node is the first. */
function catalog() {
  const view = createCatalogView()
  const store = new MemoryStore()
  const status = { applied: 0 }
  const apply = (command: CatalogCommand) => {
    status.applied++
    view.apply(encodeCommand(command), store.context(status.applied))
  }
  const address = { grpc: 'a:1', raft: 'a:2', http: 'a:3', version: '1' }
  for (const id of [1, 2]) apply({ type: 'registerNode', node: { id, name: `n${id}`, ...address } })
  const topic = (name: string) => {
    apply({
      type: 'createTopic',
      request: name,
      name,
      kind: 'timer',
      partitions: 2,
      replicationFactor: 1,
      live: [1, 2],
    })
    const partitions = view.topic(name)?.partitions ?? []
    return Object.fromEntries(
      partitions.map(({ group, replicas: [at] }) => [
        at?.node === 1 ? 'own' : 'other',
        { group, replica: at?.replica ?? 0 },
      ]),
    )
  }
  const handle = { view, status: () => status }
  return { view, status, apply, topic, handle }
}

test('a replica is asked for if the catalog has it here under that id or a lower one, or may come to have it', async () => {
  const { view, status, apply, topic, handle } = catalog()
  const { own, other } = topic('orders')
  const { nextId, isAsked } = await readKnownIds(handle, 1, async () => status.applied)
  const asked = (at: { group: number; replica: number } | undefined, higher = 0) =>
    isAsked(at?.group ?? 0, (at?.replica ?? 0) + higher)
  expect([nextId, asked(own), asked(own, 5), asked(own, -1), asked(other)]).toEqual([
    view.nextId,
    true,
    true,
    false,
    false,
  ])
  expect([isAsked(1, 1), isAsked(nextId, nextId + 1)]).toEqual([true, true])
  apply({ type: 'deleteTopic', name: 'orders', id: view.topic('orders')?.id ?? 0 })
  expect(asked(own)).toBe(false)
  // A snapshot has set the catalog back to where it may know less than was read.
  status.applied = 2
  expect(asked(own)).toBe(true)
})

test('what is read was applied here at that moment: a replica that a snapshot has set back is waited for', async () => {
  const { view, status, topic, handle } = catalog()
  const now = status.applied
  let asked = 0
  const known = await readKnownIds(handle, 1, async () => {
    asked++
    // Between the read and its use an older state took the place of the newer.
    if (asked > 1) topic('orders')
    return now + 1
  })
  expect([asked, known.nextId]).toEqual([2, view.nextId])
})
