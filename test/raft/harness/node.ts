/** One replica driven by hand: its host persists at once unless told to hold writes back. */
import type { ConfState, Entry } from '../../../src/base/log-entry.ts'
import { decodeConfChange } from '../../../src/raft/conf-change.ts'
import type { RaftEvent } from '../../../src/raft/events.ts'
import { RaftGroup } from '../../../src/raft/raft.ts'
import type { Message, RaftConfig, ReadState, Ready } from '../../../src/raft/types.ts'
import { votersOf } from './entries.ts'
import { MemoryLog } from './memory-log.ts'

export type NodeOptions = Partial<Omit<RaftConfig, 'id' | 'storage' | 'confState'>> & {
  readonly conf?: ConfState
  readonly log?: readonly Entry[]
  readonly observe?: (event: RaftEvent) => void
}

export const UNLIMITED = Number.MAX_SAFE_INTEGER

/** A group of replicas 1 to `count` as seen by `id`. */
export function oneOf(count: number, id = 1, options: NodeOptions = {}): TestNode {
  const voters = Array.from({ length: count }, (_, at) => at + 1)
  return new TestNode(id, { conf: votersOf(...voters), ...options })
}

export class TestNode {
  readonly id: number
  readonly raft: RaftGroup
  readonly log = new MemoryLog()
  /** Sent and not taken yet. */
  outbox: Message[] = []
  readonly applied: Entry[] = []
  readonly readStates: ReadState[] = []
  conf: ConfState

  constructor(id: number, options: NodeOptions = {}) {
    const { conf = votersOf(id), log = [], observe, ...config } = options
    this.id = id
    this.conf = conf
    if (config.hard !== undefined) this.log.hard = config.hard
    this.log.base = {
      index: (log[0]?.index ?? 1) - 1,
      term: log[0]?.index === 1 ? 0 : (log[0]?.term ?? 0),
      confState: conf,
    }
    this.log.append(log)
    this.raft = new RaftGroup(
      {
        id,
        storage: this.log,
        confState: conf,
        applied: this.log.base.index,
        electionTicks: 10,
        heartbeatTicks: 1,
        preVote: false,
        checkQuorum: false,
        stepDownOnRemoval: false,
        maxBytesPerMessage: UNLIMITED,
        maxInflightMessages: 256,
        maxInflightBytes: 0,
        maxUncommittedBytes: UNLIMITED,
        maxCommittedBytesPerReady: UNLIMITED,
        random: () => 0,
        ...config,
      },
      observe,
    )
  }

  get role(): string {
    return this.raft.status().role
  }

  get term(): number {
    return this.raft.status().term
  }

  get commit(): number {
    return this.raft.status().commit
  }

  get leader(): number {
    return this.raft.status().leader
  }

  /** Terms of the durable log's entries. */
  get terms(): number[] {
    return this.log.list.map((entry) => entry.term)
  }

  /** Steps `message` and does what follows from it; answers what is sent. */
  receive(message: Message): Message[] {
    this.raft.step(message)
    return this.drain()
  }

  /** Persists, applies and sends until there is nothing to do; answers what was sent. */
  drain(): Message[] {
    while (this.raft.hasReady()) this.persist(this.take())
    const sent = this.outbox
    this.outbox = []
    return sent
  }

  /** Takes a Ready, sends what may leave at once, and persists nothing. */
  take(): Ready {
    const ready = this.raft.ready()
    this.outbox.push(...ready.messages)
    this.readStates.push(...ready.readStates)
    return ready
  }

  /** Makes `ready` durable, sends what waited for that, and applies what it commits. */
  persist(ready: Ready): void {
    this.log.write(ready)
    this.raft.persisted(ready.token)
    this.outbox.push(...ready.afterPersist)
    this.apply(ready.committed)
  }

  apply(committed: readonly Entry[]): void {
    for (const entry of committed) {
      this.applied.push(entry)
      if (entry.type === 'confChange') this.conf = this.raft.applyConfChange(decodeConfChange(entry.data))
      this.raft.applied(entry.index)
    }
  }

  ticks(count: number): Message[] {
    for (let i = 0; i < count; i++) this.raft.tick()
    return this.drain()
  }
}

/** `node` becomes leader of the next term by the votes of all voters, and its first entry is durable and sent. */
export function elect(node: TestNode): void {
  node.raft.campaign()
  const { term, confState } = withDrained(node).raft.status()
  for (const voter of [...confState.voters, ...confState.votersOutgoing]) {
    if (voter === node.id || node.role === 'leader') continue
    node.raft.step({ ...VOTE, from: voter, to: node.id, term })
  }
  node.drain()
}

const VOTE: Message = {
  type: 'requestVoteResponse',
  from: 0,
  to: 0,
  term: 0,
  index: 0,
  logTerm: 0,
  commit: 0,
  entries: [],
  reject: false,
  rejectHint: 0,
  context: 0,
}

function withDrained(node: TestNode): TestNode {
  node.drain()
  return node
}
