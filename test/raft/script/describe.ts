/** How scripts show entries, messages, Readys, configurations and progress. */
import type { ConfState, Entry, HardState, SnapshotMeta } from '../../../src/base/log-entry.ts'
import { decodeConfChange } from '../../../src/raft/conf-change.ts'
import type { Message, Progress, Ready } from '../../../src/raft/types.ts'
import { MESSAGE_NAMES, PROGRESS_NAMES, ROLE_NAMES, stepsText } from './names.ts'

/** A message as it is shown; storage work has senders and receivers that are no replicas. */
export interface Shown {
  readonly name: string
  readonly from: string
  readonly to: string
  readonly term: number
  readonly logTerm: number
  readonly index: number
  readonly reject: boolean
  readonly rejectHint: number
  readonly commit: number
  readonly vote: number
  readonly entries: readonly Entry[]
  readonly snapshot: SnapshotMeta | undefined
  readonly responses: readonly Shown[]
}

const NOTHING_SHOWN = {
  term: 0,
  logTerm: 0,
  index: 0,
  reject: false,
  rejectHint: 0,
  commit: 0,
  vote: 0,
  entries: [],
  snapshot: undefined,
  responses: [],
}

export function shown(name: string, from: string, to: string, fields: Partial<Shown> = {}): Shown {
  return { ...NOTHING_SHOWN, name, from, to, ...fields }
}

export function shownMessage(m: Message): Shown {
  const { term, logTerm, index, reject, rejectHint, commit, entries, snapshot } = m
  const fields = { term, logTerm, index, reject, rejectHint, commit, entries, snapshot }
  return shown(MESSAGE_NAMES[m.type], hex(m.from), hex(m.to), fields)
}

/** Replica ids are hexadecimal in messages and configurations. */
export function hex(id: number): string {
  return id === 0 ? 'None' : id.toString(16)
}

/** A change of one step that was proposed in the older form is marked so in its context. */
export const V1_CONTEXT = new Uint8Array([1])

export function describeEntry(entry: Entry): string {
  const head = `${entry.term}/${entry.index}`
  if (entry.type === 'normal') return `${head} EntryNormal ${quote(entry.data)}`
  const change = decodeConfChange(entry.data)
  const type = change.context.length > 0 ? 'EntryConfChange' : 'EntryConfChangeV2'
  const steps = stepsText(change.changes)
  return steps === '' ? `${head} ${type}` : `${head} ${type} ${steps}`
}

export function describeMessage(m: Shown, indent = ''): string {
  let text = `${indent}${m.from}->${m.to} ${m.name} Term:${m.term} Log:${m.logTerm}/${m.index}`
  if (m.reject) text += ` Rejected (Hint: ${m.rejectHint})`
  if (m.commit !== 0) text += ` Commit:${m.commit}`
  if (m.vote !== 0) text += ` Vote:${m.vote}`
  text += describeMessageEntries(m.entries, indent)
  if (m.snapshot !== undefined) text += `\n${indent}  Snapshot: ${describeSnapshot(m.snapshot)}`
  if (m.responses.length > 0) {
    const responses = m.responses.map((one) => `\n${describeMessage(one, `${indent}  `)}`)
    text += ` Responses:[${responses.join('')}\n${indent}]`
  }
  return text
}

function describeMessageEntries(entries: readonly Entry[], indent: string): string {
  const [only] = entries
  if (only === undefined) return ''
  if (entries.length === 1) return ` Entries:[${describeEntry(only)}]`
  return ` Entries:[${entries.map((entry) => `\n${indent}  ${describeEntry(entry)}`).join('')}\n${indent}]`
}

function describeSnapshot({ index, term, confState }: SnapshotMeta): string {
  const list = (ids: readonly number[]): string => `[${ids.join(' ')}]`
  const conf =
    `Voters:${list(confState.voters)} VotersOutgoing:${list(confState.votersOutgoing)} ` +
    `Learners:${list(confState.learners)} LearnersNext:${list(confState.learnersNext)} AutoLeave:${confState.autoLeave}`
  return `Index:${index} Term:${term} ConfState:${conf}`
}

export function describeReady(ready: Ready, before: HardState, messages: readonly Shown[]): string {
  const { soft, hard, entries, snapshot, committed } = ready
  let text = ''
  if (soft !== undefined) text += `Lead:${soft.leader} State:${ROLE_NAMES[soft.role]}\n`
  if (hard !== undefined) text += `HardState ${describeHard(hard)}\n`
  if (ready.readStates.length > 0) text += `ReadStates ${JSON.stringify(ready.readStates)}\n`
  if (entries.length > 0) text += `Entries:\n${lines(entries.map(describeEntry))}`
  if (snapshot !== undefined) text += `Snapshot ${describeSnapshot(snapshot)}\n`
  if (committed.length > 0) text += `CommittedEntries:\n${lines(committed.map(describeEntry))}`
  if (messages.length > 0) text += `Messages:\n${lines(messages.map((m) => describeMessage(m)))}`
  if (text === '') return '<empty Ready>'
  const mustSync =
    entries.length > 0 || (hard !== undefined && (hard.term !== before.term || hard.vote !== before.vote))
  return `Ready MustSync=${mustSync}:\n${text}`
}

function describeHard({ term, vote, commit }: HardState): string {
  return vote === 0 ? `Term:${term} Commit:${commit}` : `Term:${term} Vote:${vote} Commit:${commit}`
}

export function describeProgress(p: Progress): string {
  let text = `${PROGRESS_NAMES[p.state]} match=${p.match} next=${p.next}`
  if (p.learner) text += ' learner'
  if (p.paused) text += ' paused'
  if (p.pendingSnapshot > 0) text += ` pendingSnap=${p.pendingSnapshot}`
  if (!p.recentActive) text += ' inactive'
  if (p.inflight > 0) text += ` inflight=${p.inflight}${p.inflightFull ? '[full]' : ''}`
  return text
}

export function describeConfiguration(conf: ConfState): string {
  const list = (ids: readonly number[]): string => `(${ids.map((id) => id.toString(16)).join(' ')})`
  let text = `voters=${list(conf.voters)}`
  if (conf.votersOutgoing.length > 0) text += `&&${list(conf.votersOutgoing)}`
  if (conf.learners.length > 0) text += ` learners=${list(conf.learners)}`
  if (conf.learnersNext.length > 0) text += ` learners_next=${list(conf.learnersNext)}`
  return conf.autoLeave ? `${text} autoleave` : text
}

export function lines(list: readonly string[]): string {
  return list.map((line) => `${line}\n`).join('')
}

function quote(data: Uint8Array): string {
  return JSON.stringify(new TextDecoder().decode(data))
}
