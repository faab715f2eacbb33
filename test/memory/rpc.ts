/** What streams keep: frames on their way in and out. */
import { Writable } from 'node:stream'
import { Budget } from '../../src/base/budget.ts'
import { InTurns } from '../../src/base/in-turns.ts'
import { realEnv } from '../../src/base/real-env.ts'
import { createBroker } from '../../src/broker/broker.ts'
import type { Proposal } from '../../src/replication/group.ts'
import { createApiServer } from '../../src/rpc/api-server.ts'
import { Outflow } from '../../src/rpc/outflow.ts'
import type { TimerReply } from '../../src/views/timer/commands.ts'
import { FakeDirectory, PARTITION } from '../broker/fake-directory.ts'
import { MemoryHandle } from '../broker/memory-handle.ts'
import { ApiClient } from '../rpc/api-client.ts'
import { MIB, type Scenarios } from './scenario.ts'

const FRAME = 512 * 1024
const CONFIG = { leaseMs: 30_000, reattachMs: 5000, maxClockSkewMs: 2000 }

/** Answers nothing, and keeps of a proposal what replication keeps: whom to answer. */
class SilentHandle extends MemoryHandle {
  readonly callers: Proposal<TimerReply>['done'][] = []
  commands = 0

  override propose({ commands, done }: Proposal<TimerReply>): void {
    this.commands += commands.length
    this.callers.push(done)
  }
}

export const RPC = {
  unreadStreams() {
    const budget = new Budget(32 * MIB)
    const writes = new InTurns<Outflow>(realEnv(), 1000, (outflow) => outflow.turn())
    return Array.from({ length: 40 }, () => {
      // Its peer takes nothing.
      const stream = new Writable({ objectMode: true, write: () => undefined })
      const outflow = new Outflow(stream, { budget, writes, onRoom: () => undefined })
      while (outflow.hasRoom()) outflow.write(new Uint8Array(FRAME))
      return { stream, outflow }
    })
  },

  async framesBeingStored() {
    const env = realEnv()
    const directory = new FakeDirectory()
    const broker = createBroker({ env, directory, config: CONFIG })
    const handle = new SilentHandle()
    broker.attachGroup(PARTITION, handle)
    const server = createApiServer({ env })
    server.open({ broker, directory })
    const client = new ApiClient(await server.listen('127.0.0.1:0'))
    const stream = client.produceStream()
    for (let id = 1; id <= 7; id++) {
      stream.write({ id, request: { topic: 'orders', messages: [{ body: { value: Buffer.alloc(MIB - 2048) } }] } })
    }
    while (handle.commands < 7) await new Promise((resolve) => setImmediate(resolve))
    return { server, client, stream, broker, handle }
  },
} satisfies Scenarios
