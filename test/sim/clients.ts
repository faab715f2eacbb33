/** What clients of the simulated cluster share: how they find a leader, how they reach it, and where they write things down. */
import type { GroupId, NodeId } from '../../src/base/ids.ts'
import type { Partition } from '../../src/broker/partition.ts'
import type { Random } from '../raft/simulation/random.ts'
import type { VirtualTime } from '../virtual-env.ts'
import type { Books } from './books.ts'
import type { SimEnv } from './sim-env.ts'
import type { ClientSwarm } from './swarm.ts'
import type { Trace } from './trace.ts'

export interface Server {
  readonly node: NodeId
  readonly env: SimEnv
  partition(group: GroupId): Partition | undefined
}

export interface ClientWorld {
  readonly time: VirtualTime
  readonly random: Random
  readonly books: Books
  readonly trace: Trace
  readonly habits: ClientSwarm
  /** Faults are over: everybody works properly. */
  readonly calm: boolean
  /** A clock may be an hour off and more. */
  readonly clocksRunWild: boolean
  fail(kind: string, text: string): void
  /** Mostly who leads the partition, sometimes anybody who is up. */
  guessLeader(group: GroupId): Server | undefined
}

/** Bodies begin with the message's name. */
export function valueIn(body: Uint8Array): string {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1')
  return text.slice(0, text.indexOf('|'))
}
