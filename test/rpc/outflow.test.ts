import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { Budget } from '../../src/base/budget.ts'
import { InTurns } from '../../src/base/in-turns.ts'
import { OUTFLOW_BYTES_MAX } from '../../src/base/limits.ts'
import { Outflow } from '../../src/rpc/outflow.ts'

const KIB = 1024

/** A stream whose peer takes what it was sent when the test says so. */
class Peer extends EventEmitter {
  writableNeedDrain = false
  ended = false
  readonly #sent: (() => void)[] = []

  /** Handed to it and not taken. */
  get sent(): number {
    return this.#sent.length
  }

  write(_frame: unknown, taken: () => void): boolean {
    this.#sent.push(taken)
    return true
  }

  end(): void {
    this.ended = true
  }

  take(): void {
    for (const taken of this.#sent.splice(0)) taken()
  }
}

/** All at once, for who does not care. */
const AT_ONCE = new InTurns<Outflow>({ endOfTurn: () => undefined }, 1000, (flow) => flow.turn())

function outflow(budget: Budget, writes = AT_ONCE): { peer: Peer; flow: Outflow; rooms: () => number } {
  const peer = new Peer()
  let rooms = 0
  const stream = peer as unknown as ConstructorParameters<typeof Outflow>[0]
  const flow = new Outflow(stream, { budget, writes, onRoom: () => rooms++ })
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

test('of frames to many streams so many are written in a turn; each stream has its own in order, and its end behind them', () => {
  const ends: (() => void)[] = []
  const writes = new InTurns<Outflow>({ endOfTurn: (run) => ends.push(run) }, 10, (flow) => flow.turn())
  const budget = new Budget(100 * KIB)
  const all = Array.from({ length: 15 }, () => outflow(budget, writes))
  for (const { flow } of all) {
    flow.write(new Uint8Array(KIB))
    flow.finish()
  }
  const told = () => all.map(({ peer }) => `${peer.sent}${peer.ended ? ' ended' : ''}`)
  expect(told()).toEqual([...Array(5).fill('1 ended'), ...Array(10).fill('0')])
  // One that is gone takes nothing more, and what waited for it is given back.
  all[14]?.flow.end()
  while (ends.length > 0) ends.shift()?.()
  expect(told()).toEqual([...Array(14).fill('1 ended'), '0'])
  for (const { peer } of all) peer.take()
  expect(budget.used).toBe(0)
})
