/**
 * One replica of an interaction script: either everything of a Ready is done at once, or writes and applies lie in two
 * queues until the script has them processed, and their answers travel like messages.
 */
import type { Entry, HardState, SnapshotMeta } from '../../../src/base/log-entry.ts'
import { decodeConfChange } from '../../../src/raft/conf-change.ts'
import type { RaftEvent } from '../../../src/raft/events.ts'
import { RaftGroup } from '../../../src/raft/raft.ts'
import type { Message, RaftConfig, RaftStatus, Ready } from '../../../src/raft/types.ts'
import { MemoryLog, NOBODY } from '../harness/memory-log.ts'
import { describeReady, hex, type Shown, shown, shownMessage } from './describe.ts'
import type { Output } from './output.ts'
import { traceText } from './trace-text.ts'

/** A message on its way; `to` 0 is nobody. `step` hands it over and answers the error to be shown. */
export interface Parcel {
  readonly to: number
  readonly local: boolean
  readonly shown: Shown
  step(): string | undefined
}

/** Work for one of the two queues, with what is sent when it is done. */
export interface Work {
  readonly shown: Shown
  readonly responses: readonly Parcel[]
  run(): void
}

export type ScriptConfig = Omit<
  RaftConfig,
  'id' | 'storage' | 'confState' | 'applied' | 'hard' | 'applyUnstable' | 'earlyVoteRequests'
> & {
  readonly asyncStorage: boolean
}

export interface Host {
  readonly output: Output
  node(id: number): ScriptNode
  post(parcel: Parcel): void
}

type AwaitsPersist = Extract<RaftEvent, { type: 'awaitsPersist' }>

export class ScriptNode {
  readonly id: number
  readonly raft: RaftGroup
  readonly log = new MemoryLog()
  readonly appendWork: Work[] = []
  readonly applyWork: Work[] = []
  readonly #host: Host
  readonly #async: boolean
  #snapshot: SnapshotMeta
  #hard: HardState
  #waiting: AwaitsPersist | undefined
  #status: RaftStatus

  constructor(id: number, host: Host, config: ScriptConfig, start: SnapshotMeta) {
    this.id = id
    this.#host = host
    this.#async = config.asyncStorage
    this.#snapshot = start
    if (start.index > 0) this.log.install(start)
    // Whoever asks for a snapshot gets the newest state.
    this.log.snapshot = () => this.#snapshot
    this.#hard = { term: 0, vote: 0, commit: start.index }
    this.#status = startStatus(id, start)
    this.raft = new RaftGroup(
      {
        ...config,
        id,
        storage: this.log,
        confState: start.confState,
        applied: start.index,
        applyUnstable: !config.asyncStorage,
        earlyVoteRequests: true,
      },
      (event) => this.#observe(event),
    )
    this.#status = this.raft.status()
  }

  get snapshot(): SnapshotMeta {
    return this.#snapshot
  }

  processReady(): void {
    const ready = this.raft.ready()
    const peers = [...ready.messages, ...(this.#async ? [] : ready.afterPersist)]
    const parcels = peers.map((m) => this.#parcel(m))
    const work = this.#async ? this.#workOf(ready) : {}
    const storage = [work.append, work.apply].filter((one) => one !== undefined)
    const all = [...parcels.map((one) => one.shown), ...storage.map((one) => one.shown)]
    this.#host.output.write(describeReady(ready, this.#hard, all))
    this.#hard = ready.hard ?? this.#hard
    if (this.#async) {
      if (work.append !== undefined) this.appendWork.push(work.append)
      if (work.apply !== undefined) this.applyWork.push(work.apply)
    } else {
      this.log.write(ready)
      this.#apply(ready.committed)
    }
    for (const parcel of parcels) this.#host.post(parcel)
    if (!this.#async) this.#confirm(ready)
  }

  /** Like a message sent by hand. */
  parcelOf(message: Message): Parcel {
    return this.#parcel(message)
  }

  #confirm(ready: Ready): void {
    this.raft.persisted(ready.token)
    const last = ready.committed.at(-1)
    if (last !== undefined) this.raft.applied(last.index)
  }

  #parcel(message: Message): Parcel {
    return {
      to: message.to,
      local: message.from === message.to,
      shown: shownMessage(message),
      step: () => refusalText(this.#host.node(message.to).raft.step(message)),
    }
  }

  #workOf(ready: Ready): { append?: Work; apply?: Work } {
    const append = this.#appendWorkOf(ready)
    const apply = this.#applyWorkOf(ready.committed)
    return { ...(append === undefined ? {} : { append }), ...(apply === undefined ? {} : { apply }) }
  }

  #appendWorkOf(ready: Ready): Work | undefined {
    const waiting = this.#waiting?.token === ready.token ? this.#waiting : undefined
    const { hard, entries, snapshot } = ready
    const messages = waiting?.messages ?? []
    if (hard === undefined && entries.length === 0 && snapshot === undefined && messages.length === 0) return undefined
    const confirm = (): undefined => {
      this.raft.persisted(ready.token)
      return undefined
    }
    // The core counts its own messages when the write is confirmed; here they only show when that is.
    const responses = messages.map(
      (m): Parcel => (m.to === this.id ? { ...this.#parcel(m), step: confirm } : this.#parcel(m)),
    )
    if (waiting?.mark !== undefined || snapshot !== undefined) {
      const fields = {
        term: waiting?.term ?? 0,
        index: waiting?.mark?.index ?? 0,
        logTerm: waiting?.mark?.term ?? 0,
        snapshot,
      }
      const done = shown('MsgStorageAppendResp', 'AppendThread', hex(this.id), fields)
      responses.push({ to: this.id, local: true, shown: done, step: confirm })
    }
    const fields = { ...(hard ?? {}), entries, snapshot, responses: responses.map((one) => one.shown) }
    return {
      shown: shown('MsgStorageAppend', hex(this.id), 'AppendThread', fields),
      responses,
      run: () => this.log.write(ready),
    }
  }

  #applyWorkOf(committed: readonly Entry[]): Work | undefined {
    const last = committed.at(-1)
    if (last === undefined) return undefined
    const done = shown('MsgStorageApplyResp', 'ApplyThread', hex(this.id), { entries: committed })
    const step = (): undefined => {
      this.raft.applied(last.index)
      return undefined
    }
    return {
      shown: shown('MsgStorageApply', hex(this.id), 'ApplyThread', { entries: committed, responses: [done] }),
      responses: [{ to: this.id, local: true, shown: done, step }],
      run: () => this.#apply(committed),
    }
  }

  #apply(committed: readonly Entry[]): void {
    for (const { index, term, type, data } of committed) {
      const confState =
        type === 'confChange' ? this.raft.applyConfChange(decodeConfChange(data)) : this.#snapshot.confState
      this.#snapshot = { index, term, confState }
    }
  }

  #observe(event: RaftEvent): void {
    if (event.type === 'awaitsPersist') this.#waiting = event
    // During construction there is nobody to ask yet.
    const raft: RaftGroup | undefined = this.raft
    if (raft !== undefined) this.#status = raft.status()
    const line = traceText(event, this.#status)
    if (line !== undefined) this.#host.output.log(...line)
  }
}

function startStatus(id: number, start: SnapshotMeta): RaftStatus {
  const { index } = start
  const none = {
    term: 0,
    vote: 0,
    leader: 0,
    transferee: 0,
    role: 'follower' as const,
    needsSnapshot: false,
    timeoutTicks: 0,
  }
  return { id, ...none, commit: index, applied: index, lastIndex: index, confState: NOBODY }
}

export function refusalText(refusal: ReturnType<RaftGroup['step']>): string | undefined {
  if (refusal === undefined || refusal === 'confChangePending' || refusal === 'confChangeInvalid') return undefined
  if (refusal === 'unknownPeer') return 'raft: cannot step as peer not found'
  return refusal === 'misrouted' ? 'not for this replica' : 'raft proposal dropped'
}
