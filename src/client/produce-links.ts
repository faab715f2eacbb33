// One ProduceStream to each leader this producer writes to, shared by its lanes. A link that leaves a frame unanswered
// for too long counts as lost: its node may be stopped or cut off while the connection still looks alive.
import type { Env, Timer } from '../base/env.ts'
import { SandglassError } from '../base/errors.ts'
import { fromErrorMessage } from '../wire/errors.ts'
import type { ProduceAnswer, ProduceRequest, ProduceResponse } from '../wire/messages.ts'
import type { Init } from '../wire/wire.ts'
import type { ProduceLink, Transport } from './transport.ts'

/** One try of one frame. Exactly one of the two is called, once, and never before send() returned. */
export interface Try {
  answered(response: ProduceResponse): void
  /** The node's refusal; or of a lost link UNREACHABLE if it surely never left, else COMMIT_UNKNOWN. */
  failed(error: SandglassError): void
}

const ANSWER_MS = 3000
const CHECK_MS = 500

export class ProduceLinks {
  readonly #env: Env
  readonly #transport: Transport
  readonly #links = new Map<string, OpenLink>()
  #check: Timer | undefined
  #nextId = 1

  constructor(env: Env, transport: Transport) {
    this.#env = env
    this.#transport = transport
  }

  send(addr: string, request: Init<ProduceRequest>, attempt: Try): void {
    const link = this.#links.get(addr) ?? this.#open(addr)
    const id = this.#nextId++
    link.waiting.set(id, { attempt, sentAt: this.#env.monoMs() })
    link.link.send({ id, request })
    this.#check ??= this.#env.after(CHECK_MS, () => this.#dropSilent())
  }

  /** Ends every link; what is unanswered fails. */
  close(): void {
    this.#check?.cancel()
    this.#check = undefined
    for (const [addr, link] of this.#links) {
      this.#links.delete(addr)
      if (link.waiting.size === 0) link.link.finish()
      else link.link.cancel()
      fail(link, new SandglassError('COMMIT_UNKNOWN', 'Cannot wait for the answer: the producer is closed'))
    }
  }

  #open(addr: string): OpenLink {
    const waiting: OpenLink['waiting'] = new Map()
    const link: OpenLink = {
      waiting,
      link: this.#transport.produce(addr, {
        message: (answer) => settle(waiting, answer),
        ended: (error) => {
          if (this.#links.get(addr) === link) this.#links.delete(addr)
          fail(link, error)
        },
      }),
    }
    this.#links.set(addr, link)
    return link
  }

  #dropSilent(): void {
    this.#check = undefined
    const before = this.#env.monoMs() - ANSWER_MS
    let waits = false
    for (const [addr, link] of this.#links) {
      const [oldest] = link.waiting.values()
      if (oldest === undefined) continue
      if (oldest.sentAt > before) {
        waits = true
        continue
      }
      this.#links.delete(addr)
      link.link.cancel()
      fail(link, new SandglassError('COMMIT_UNKNOWN', `Cannot produce: ${addr} does not answer`))
    }
    if (waits) this.#check ??= this.#env.after(CHECK_MS, () => this.#dropSilent())
  }
}

interface OpenLink {
  readonly link: ProduceLink
  /** By frame id, oldest first. */
  readonly waiting: Map<number, { readonly attempt: Try; readonly sentAt: number }>
}

function settle(waiting: OpenLink['waiting'], answer: ProduceAnswer): void {
  const found = waiting.get(answer.id)
  if (found === undefined) return
  waiting.delete(answer.id)
  if (answer.response !== null) found.attempt.answered(answer.response)
  else if (answer.error !== null) found.attempt.failed(fromErrorMessage(answer.error))
  else found.attempt.failed(new SandglassError('INTERNAL', 'Cannot produce: the answer is empty'))
}

function fail(link: OpenLink, error: SandglassError): void {
  // Whatever ended the stream, of its unanswered frames only those that never left are known not to be stored.
  const certain = error.reason === 'UNREACHABLE' || error.reason === 'COMMIT_UNKNOWN'
  const each = certain ? error : new SandglassError('COMMIT_UNKNOWN', error.message, { cause: error })
  const lost = [...link.waiting.values()]
  link.waiting.clear()
  for (const { attempt } of lost) attempt.failed(each)
}
