/**
 * How nodes without a past become a cluster, as a pure state machine. The first name of the list mints the cluster id once
 * every other node has said that it is empty, makes its own `prepared` durable and offers it; the others make it durable
 * too; when all have, the first name alone decides `formed`. Invariants: a node says only what is durable; `formed` exists
 * nowhere before it does at the first name; a node that lost its memory hears that from any other and fails, because it
 * must not vote again. What a process says counts as an offer or as a claim to be empty only if it names the boot of the
 * receiver, so that nothing said to an earlier life of a node is taken by the next.
 */
import type { FormationHello, FormationMember } from '../../rpc/formation/types.ts'
import type { StartReason } from '../start-error.ts'
import type { Identity } from './identity.ts'

export const FORMATION_VERSION = 1
/** No id: in the place of one that the receiver does not know. */
const ANOTHER = 'another'

export interface FormationState {
  readonly name: string
  /** The same list, in the same order, on every node. */
  readonly members: readonly FormationMember[]
  /** Random, of this process. */
  readonly boot: string
  /** The cluster id that this node would mint. */
  readonly freshId: string
  readonly durable: Identity | undefined
  /** What the others said last, by name. */
  readonly heard: ReadonlyMap<string, Heard>
}

export interface Heard {
  readonly boot: string
  readonly state: FormationHello['state']
  readonly clusterId: string
  /** It was said to this process. */
  readonly toMe: boolean
}

export type Next =
  | { readonly type: 'wait'; readonly state: FormationState }
  /** Make it durable, then call {@link persisted}. Nothing may be said or heard in between. */
  | { readonly type: 'persist'; readonly state: FormationState; readonly identity: Identity }
  | {
      readonly type: 'fail'
      readonly state: FormationState
      readonly reason: StartReason
      readonly message: string
    }

/** What the state asks for before anything was heard. */
export function begin(state: FormationState): Next {
  return decide(state)
}

/** `identity` is durable. */
export function persisted(state: FormationState, identity: Identity): Next {
  return decide({ ...state, durable: identity })
}

/** Another node said something, by itself or as an answer. */
export function hear(state: FormationState, hello: FormationHello): Next {
  const complaint = state.durable?.state === 'formed' ? undefined : judge(state, hello)
  if (complaint !== undefined) return { type: 'fail', state, ...complaint }
  if (!state.members.some((member) => member.name === hello.from)) return { type: 'wait', state }
  const { boot, state: said, clusterId } = hello
  const heard = new Map(state.heard).set(hello.from, {
    boot,
    state: said,
    clusterId,
    toMe: hello.toBoot === state.boot,
  })
  return decide({ ...state, heard })
}

/** What this node says to `to` now. `toBoot`: the receiver's, if it has just said it. */
export function say(state: FormationState, to: string, toBoot = state.heard.get(to)?.boot ?? ''): FormationHello {
  return {
    version: FORMATION_VERSION,
    from: state.name,
    boot: state.boot,
    toBoot,
    members: state.durable?.members ?? state.members,
    state: state.durable?.state ?? 'empty',
    clusterId: state.durable?.clusterId ?? '',
  }
}

/**
 * The answer to `hello`. The cluster id, which admits to the peer port, is told only to who says it, and by the first name
 * to the members that it offers it to. Who says another hears so, and who says none hears none.
 */
export function answerTo(state: FormationState, hello: FormationHello): FormationHello {
  const said = say(state, hello.from, hello.boot)
  const isMember = state.members.some((member) => member.name === hello.from)
  const offers = isFirst(state) && said.state === 'prepared' && isMember
  if (offers || hello.clusterId === said.clusterId) return said
  return { ...said, clusterId: hello.clusterId === '' || said.clusterId === '' ? '' : ANOTHER }
}

export function sameList(a: readonly FormationMember[], b: readonly FormationMember[]): boolean {
  return a.length === b.length && a.every((m, i) => m.name === b[i]?.name && m.raft === b[i]?.raft)
}

interface Complaint {
  readonly reason: StartReason
  readonly message: string
}

function judge(state: FormationState, hello: FormationHello): Complaint | undefined {
  const known = state.members.some((member) => member.name === hello.from)
  if (hello.from === state.name && hello.boot !== state.boot)
    return mismatch(`another node is called ${state.name} too`)
  // A stranger's mistake must not stop this cluster from forming; it hears our list and fails by itself.
  if (!known && !hello.members.some((member) => member.name === state.name)) return undefined
  if (!known && hello.state !== 'formed') return undefined
  if (hello.version !== FORMATION_VERSION) return mismatch(`${hello.from} forms clusters by version ${hello.version}`)
  if (hello.state === 'formed') return judgeFormed(state, hello)
  if (!sameList(hello.members, state.members)) {
    return mismatch(`initial_cluster is ${list(state.members)} here and ${list(hello.members)} at ${hello.from}`)
  }
  return hello.state === 'prepared' ? judgePrepared(state, hello) : undefined
}

function judgeFormed(state: FormationState, hello: FormationHello): Complaint | undefined {
  if (!hello.members.some((member) => member.name === state.name)) {
    return mismatch(`${hello.from} belongs to a cluster that has no ${state.name}`)
  }
  // The first name decides `formed` before anybody else: if it does not remember, its folder lost it.
  if (state.durable === undefined || (isFirst(state) && state.durable.clusterId === hello.clusterId)) {
    return history(state, hello)
  }
  if (hello.clusterId === '') return undefined
  return state.durable.clusterId === hello.clusterId ? undefined : otherCluster(state.durable, hello)
}

function judgePrepared(state: FormationState, hello: FormationHello): Complaint | undefined {
  // Nobody is prepared before the first name is.
  if (state.durable === undefined) return isFirst(state) ? history(state, hello) : undefined
  // It was asked before this node had an id to say.
  if (hello.clusterId === '') return undefined
  return state.durable.clusterId === hello.clusterId ? undefined : otherCluster(state.durable, hello)
}

function decide(state: FormationState): Next {
  const identity = isFirst(state) ? nextOfFirst(state) : nextOfOther(state)
  return identity === undefined ? { type: 'wait', state } : { type: 'persist', state, identity }
}

function nextOfFirst(state: FormationState): Identity | undefined {
  const { durable } = state
  const others = state.members.slice(1).map((member) => state.heard.get(member.name))
  if (durable === undefined) {
    return others.every((other) => other?.state === 'empty' && other.toMe) ? prepare(state, state.freshId) : undefined
  }
  if (durable.state === 'formed') return undefined
  const ready = others.every((other) => other?.state === 'prepared' && other.clusterId === durable.clusterId)
  return ready ? { ...durable, state: 'formed' } : undefined
}

function nextOfOther(state: FormationState): Identity | undefined {
  const { durable } = state
  if (durable === undefined) {
    const first = state.heard.get(state.members[0]?.name ?? '')
    return first?.state === 'prepared' && first.toMe && first.clusterId !== ''
      ? prepare(state, first.clusterId)
      : undefined
  }
  if (durable.state === 'formed') return undefined
  const formed = [...state.heard.values()].some((h) => h.state === 'formed' && h.clusterId === durable.clusterId)
  return formed ? { ...durable, state: 'formed' } : undefined
}

function prepare(state: FormationState, clusterId: string): Identity {
  const members = state.members.map(({ name, raft }, place) => ({ id: place + 1, name, raft }))
  const nodeId = 1 + state.members.findIndex((member) => member.name === state.name)
  return { clusterId, nodeId, name: state.name, members, state: 'prepared' }
}

function isFirst(state: FormationState): boolean {
  return state.members[0]?.name === state.name
}

function mismatch(why: string): Complaint {
  return { reason: 'CLUSTER_MISMATCH', message: `Cannot form a cluster: ${why}` }
}

function otherCluster(durable: Identity, hello: FormationHello): Complaint {
  return mismatch(`this folder is ${durable.state} for cluster ${durable.clusterId}, ${hello.from} for another`)
}

function history(state: FormationState, hello: FormationHello): Complaint {
  const what = `${hello.from} is ${hello.state} in a cluster with ${state.name}, whose folder does not know that`
  return { reason: 'NODE_HAS_HISTORY', message: `Cannot join with lost memory: ${what}` }
}

function list(members: readonly FormationMember[]): string {
  return members.map(({ name, raft }) => `${name}=${raft}`).join(',')
}
