/**
 * Drives the formation of a cluster: says to every other node what is durable here, again and again, and hears what is
 * there, until `formed` is durable here. One step at a time: nothing is said while an identity is being written.
 */

import type { Env } from '../../base/env.ts'
import { settled } from '../../base/settled.ts'
import type {
  FormationHandler,
  FormationHello,
  FormationMember,
  FormationTransport,
} from '../../rpc/formation/types.ts'
import { StartError } from '../start-error.ts'
import { answerTo, begin, type FormationState, hear, type Next, persisted, sameList, say } from './formation-state.ts'
import type { Identity, IdentityStore } from './identity.ts'

export interface FormationOptions {
  readonly env: Env
  readonly store: IdentityStore
  readonly transport: FormationTransport
  readonly name: string
  /** initial_cluster in its order; for a node alone: itself. Not looked at when the folder is formed. */
  readonly members: readonly FormationMember[]
  /** The folder's log or state holds groups: without an identity beside them it is damaged, not empty. */
  readonly hasData?: boolean
  /** Called when the nodes that are waited for change, and every 5 s while there are any. */
  readonly onWaiting?: (silent: readonly Silent[]) => void
}

/** A node that does not answer, and what came of the last question to it. */
export interface Silent extends FormationMember {
  readonly why: string
}

export interface Formation extends FormationHandler {
  /** What the folder holds now. */
  readonly identity: Identity | undefined
  /** Resolves when `formed` is durable (at once in a formed folder). Rejects with StartError: the node must exit. */
  formed(): Promise<Identity>
  /** Stops asking; `formed()` that has not resolved never will. Answers go on. */
  close(): void
}

/**
 * Reads the folder's identity and begins. Rejects with StartError: DATA_FOREIGN, DATA_NEWER, DATA_DAMAGED, CLUSTER_MISMATCH.
 * Add the result to the peer port with `addFormationService` at once, then await `formed()` before any Raft message.
 */
export async function runFormation(options: FormationOptions): Promise<Formation> {
  const { env, name } = options
  const durable = await options.store.read()
  checkFolder(options, durable)
  const members = durable?.members ?? options.members
  const hex = () => Buffer.from(env.randomBytes(16)).toString('hex')
  const running = new Running(options, { name, members, boot: hex(), freshId: hex(), durable, heard: new Map() })
  await running.begin()
  return running
}

function checkFolder({ name, members, hasData }: FormationOptions, durable: Identity | undefined): void {
  if (durable !== undefined && durable.name !== name) {
    throw new StartError('DATA_FOREIGN', `Cannot start ${name}: the data folder is of node ${durable.name}`)
  }
  if (durable === undefined && hasData === true) {
    throw new StartError('DATA_DAMAGED', `Cannot start ${name}: the data folder has data and no identity.json`)
  }
  if (durable?.state === 'formed') return
  const wrong = checkList(name, members)
  if (wrong !== undefined) throw new StartError('CLUSTER_MISMATCH', `Cannot form a cluster: ${wrong}`)
  if (durable !== undefined && !sameList(durable.members, members)) {
    throw new StartError('CLUSTER_MISMATCH', 'Cannot form a cluster: the data folder is prepared for another list')
  }
}

function checkList(name: string, members: readonly FormationMember[]): string | undefined {
  for (const key of ['name', 'raft'] as const) {
    const twice = members.find((member, place) => members.findIndex((m) => m[key] === member[key]) < place)
    if (twice !== undefined) return `initial_cluster has ${twice[key]} twice`
  }
  return members.some((member) => member.name === name) ? undefined : `initial_cluster has no ${name}`
}

const ASK_EVERY_MS = 100
const ANSWER_WITHIN_MS = 1000
const SILENT_AFTER_MS = 1500
const SAY_WAITING_EVERY_MS = 5000
/** A node that gives up answers for so long, so that the others learn why as well. */
const GRACE_MS = 1000

class Running implements Formation {
  readonly #options: FormationOptions
  readonly #formed: Promise<Identity>
  readonly #heardAt = new Map<string, number>()
  readonly #why = new Map<string, string>()
  #state: FormationState
  #resolve: (identity: Identity) => void = () => undefined
  #reject: (error: Error) => void = () => undefined
  /** Steps run one after the other. */
  #turn: Promise<void> = Promise.resolve()
  #over = false
  #saidAt = Number.NEGATIVE_INFINITY
  #said = ''

  constructor(options: FormationOptions, state: FormationState) {
    this.#options = options
    this.#state = state
    this.#formed = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever awaits formed() sees the failure; nobody may be awaiting yet.
    void settled(this.#formed)
  }

  get identity(): Identity | undefined {
    return this.#state.durable
  }

  formed(): Promise<Identity> {
    return this.#formed
  }

  close(): void {
    this.#over = true
  }

  async begin(): Promise<void> {
    await this.#step(() => begin(this.#state))
    if (this.#over) return
    for (const member of this.#others()) void this.#ask(member)
    this.#options.env.after(SILENT_AFTER_MS, () => this.#watch())
  }

  answer(hello: FormationHello): Promise<FormationHello> {
    return this.#serial(async () => {
      await this.#follow(() => hear(this.#state, hello))
      this.#heardFrom(hello.from)
      return answerTo(this.#state, hello)
    })
  }

  #step(next: () => Next): Promise<void> {
    return this.#serial(() => this.#follow(next))
  }

  /** Runs when everything before it is done. `run` never rejects. */
  #serial<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(run)
    this.#turn = result.then(() => undefined)
    return result
  }

  /** One step and everything that follows from it. */
  async #follow(next: () => Next): Promise<void> {
    if (this.#over) return
    try {
      let result = next()
      while (result.type === 'persist') {
        await this.#options.store.write(result.identity)
        result = persisted(result.state, result.identity)
      }
      this.#state = result.state
      if (result.type === 'fail') this.#fail(new StartError(result.reason, result.message))
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
    }
    const { durable } = this.#state
    if (durable?.state !== 'formed') return
    this.#over = true
    this.#resolve(durable)
  }

  #fail(error: Error): void {
    this.#over = true
    this.#options.env.after(GRACE_MS, () => this.#reject(error))
  }

  /** Exactly one question to a node is under way or waiting for its time. */
  async #ask(member: FormationMember): Promise<void> {
    const { transport, env } = this.#options
    const hello = await this.#serial(async () => say(this.#state, member.name))
    if (this.#over) return
    try {
      await this.#hearAnswer(member, await transport.exchange(member.raft, hello, ANSWER_WITHIN_MS))
    } catch (error) {
      // Silence and refusal are the same here: the node is named as silent with the reason, and asked again.
      this.#why.set(member.name, error instanceof Error ? error.message : String(error))
    }
    env.after(ASK_EVERY_MS, () => this.#ask(member))
  }

  async #hearAnswer(member: FormationMember, answer: FormationHello): Promise<void> {
    await this.#step(() => {
      if (answer.from === member.name) return hear(this.#state, answer)
      const message = `Cannot form a cluster: ${member.name} at ${member.raft} calls itself ${answer.from}`
      return { type: 'fail', state: this.#state, reason: 'CLUSTER_MISMATCH', message }
    })
    this.#heardFrom(member.name)
  }

  #watch(): void {
    if (this.#over) return
    const { env, onWaiting } = this.#options
    const now = env.monoMs()
    const silent = this.#others()
      .filter(({ name }) => now - (this.#heardAt.get(name) ?? Number.NEGATIVE_INFINITY) >= SILENT_AFTER_MS)
      .map(({ name, raft }) => ({ name, raft, why: this.#why.get(name) ?? 'no answer yet' }))
    const text = silent.map(({ name, why }) => `${name} ${why}`).join()
    if (text !== this.#said || (silent.length > 0 && now - this.#saidAt >= SAY_WAITING_EVERY_MS)) {
      this.#saidAt = now
      onWaiting?.(silent)
    }
    this.#said = text
    env.after(ASK_EVERY_MS, () => this.#watch())
  }

  #others(): readonly FormationMember[] {
    return this.#state.members.filter((member) => member.name !== this.#state.name)
  }

  #heardFrom(name: string): void {
    if (this.#others().some((member) => member.name === name)) this.#heardAt.set(name, this.#options.env.monoMs())
  }
}
