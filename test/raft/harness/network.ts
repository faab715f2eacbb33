/** Several replicas and the messages between them, delivered in order until nothing moves; links can be cut. */
import type { Message, MessageType } from '../../../src/raft/types.ts'
import { votersOf } from './entries.ts'
import { type NodeOptions, TestNode } from './node.ts'

export class Network {
  readonly nodes = new Map<number, TestNode>()
  readonly #cut = new Set<string>()
  readonly #ignored = new Set<MessageType>()
  /** Everything that was delivered. */
  readonly delivered: Message[] = []

  constructor(...nodes: TestNode[]) {
    for (const node of nodes) this.nodes.set(node.id, node)
  }

  node(id: number): TestNode {
    const node = this.nodes.get(id)
    if (node === undefined) throw new Error(`no node ${id}`)
    return node
  }

  /** Starts an election at `id` and lets it run. */
  campaign(id: number): void {
    this.node(id).raft.campaign()
    this.run()
  }

  propose(id: number, ...data: string[]): ReturnType<TestNode['raft']['propose']> {
    const proposed = this.node(id).raft.propose(data.map((text) => new TextEncoder().encode(text)))
    this.run()
    return proposed
  }

  ticks(id: number, count: number): void {
    for (let i = 0; i < count; i++) {
      this.node(id).raft.tick()
      this.run()
    }
  }

  /** Puts messages into the network as if they had been sent. */
  send(...messages: Message[]): void {
    this.#deliver(messages)
    this.run()
  }

  /** Delivers until no node has anything to do. */
  run(): void {
    for (let round = 0; round < 10_000; round++) {
      const sent = [...this.nodes.values()].flatMap((node) => node.drain())
      if (sent.length === 0) return
      this.#deliver(sent)
    }
    throw new Error('the network does not come to rest')
  }

  #deliver(messages: readonly Message[]): void {
    for (const message of messages) {
      if (this.#ignored.has(message.type) || this.#cut.has(`${message.from}>${message.to}`)) continue
      this.delivered.push(message)
      this.nodes.get(message.to)?.raft.step(message)
    }
  }

  cut(a: number, b: number): void {
    this.#cut.add(`${a}>${b}`)
    this.#cut.add(`${b}>${a}`)
  }

  isolate(id: number): void {
    for (const other of this.nodes.keys()) if (other !== id) this.cut(id, other)
  }

  ignore(type: MessageType): void {
    this.#ignored.add(type)
  }

  heal(): void {
    this.#cut.clear()
    this.#ignored.clear()
  }

  /** Replaces a node by one that starts from what `id` has on disk. */
  restart(id: number, options: NodeOptions = {}): TestNode {
    const old = this.node(id)
    const fresh = new TestNode(id, { conf: old.conf, log: old.log.list, hard: old.log.hard, ...options })
    this.nodes.set(id, fresh)
    return fresh
  }
}

/** Replicas 1 to `count`. */
export function networkOf(count: number, options: NodeOptions = {}): Network {
  const voters = Array.from({ length: count }, (_, at) => at + 1)
  return new Network(...voters.map((id) => new TestNode(id, { conf: votersOf(...voters), ...options })))
}
