import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { Budget } from '../../src/base/budget.ts'
import { OUTFLOW_BYTES_MAX } from '../../src/base/limits.ts'
import { Outflow } from '../../src/rpc/outflow.ts'

const KIB = 1024

/** A stream whose peer takes what it was sent when the test says so. */
class Peer extends EventEmitter {
  writableNeedDrain = false
  readonly #sent: (() => void)[] = []

  write(_frame: unknown, taken: () => void): boolean {
    this.#sent.push(taken)
    return true
  }

  take(): void {
    for (const taken of this.#sent.splice(0)) taken()
  }
}

function outflow(budget: Budget): { peer: Peer; flow: Outflow; rooms: () => number } {
  const peer = new Peer()
  let rooms = 0
  const stream = peer as unknown as ConstructorParameters<typeof Outflow>[0]
  const flow = new Outflow(stream, { budget, onRoom: () => rooms++ })
  return { peer, flow, rooms: () => rooms }
}

test('who was told that there is no room hears once when his peer has taken enough', () => {
  const { peer, flow, rooms } = outflow(new Budget(100 * OUTFLOW_BYTES_MAX))
  flow.write(new Uint8Array(OUTFLOW_BYTES_MAX))
  expect(flow.hasRoom()).toBe(false)
  peer.take()
  expect([rooms(), flow.hasRoom()]).toEqual([1, true])
  peer.emit('drain')
  expect(rooms()).toBe(1)
})

test('he hears also when others made the room, and somebody else asked before him', () => {
  const budget = new Budget(100 * KIB)
  const other = outflow(budget)
  const { peer, flow, rooms } = outflow(budget)
  flow.write(new Uint8Array(KIB))
  other.flow.write(new Uint8Array(99 * KIB))
  expect(flow.hasRoom()).toBe(false)
  other.flow.end()
  expect(flow.hasRoom()).toBe(true)
  peer.take()
  expect(rooms()).toBe(1)
})
