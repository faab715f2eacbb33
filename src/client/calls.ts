// Unary calls with retries: tries the nodes it knows one after the other until one answers or the deadline has passed.
// Only what was surely not carried out is tried again, unless the call changes nothing.
import type { Env } from '../base/env.ts'
import { ERROR_TABLE, SandglassError } from '../base/errors.ts'
import type { MethodName, RequestOf, ResponseOf, ServiceName } from '../wire/services.ts'
import type { Init } from '../wire/wire.ts'
import { Backoff } from './backoff.ts'
import type { Transport } from './transport.ts'

/** Nodes remembered beside those the user named. */
const LEARNT_MAX = 100
/** A read waits no longer than this for one node before it asks another. */
const READ_TRY_MS = 1500

export interface Caller {
  call<S extends ServiceName, M extends MethodName<S>>(
    service: S,
    method: M,
    request: Init<RequestOf<S, M>>,
    options: { readonly mutating: boolean; readonly timeoutMs?: number },
  ): Promise<ResponseOf<S, M>>
}

export class Calls implements Caller {
  readonly #env: Env
  readonly #transport: Transport
  readonly #timeoutMs: number
  readonly #addrs: string[]
  #current = 0

  constructor(
    env: Env,
    transport: Transport,
    options: { readonly addrs: readonly string[]; readonly timeoutMs: number },
  ) {
    this.#env = env
    this.#transport = transport
    this.#timeoutMs = options.timeoutMs
    this.#addrs = [...options.addrs]
    this.#current = Math.floor(env.random() * this.#addrs.length)
  }

  /** Nodes to ask as well. */
  learn(addrs: readonly string[]): void {
    for (const addr of addrs) {
      if (addr !== '' && !this.#addrs.includes(addr) && this.#addrs.length < LEARNT_MAX) this.#addrs.push(addr)
    }
  }

  /** The next call begins at another node: one that is cut off from the rest answers, but knows no leader. */
  askAnother(): void {
    this.#current++
  }

  /** Rejects with the refusal, COMMIT_UNKNOWN, or at the deadline (default: the client's) with the last try's error. */
  async call<S extends ServiceName, M extends MethodName<S>>(
    service: S,
    method: M,
    request: Init<RequestOf<S, M>>,
    options: { readonly mutating: boolean; readonly timeoutMs?: number },
  ): Promise<ResponseOf<S, M>> {
    const tries: Tries = {
      until: this.#env.monoMs() + (options.timeoutMs ?? this.#timeoutMs),
      backoff: new Backoff(this.#env),
      mutating: options.mutating,
      hinted: undefined,
    }
    for (;;) {
      const left = tries.until - this.#env.monoMs()
      const timeoutMs = Math.max(1, options.mutating ? left : Math.min(left, READ_TRY_MS))
      try {
        const addr = tries.hinted ?? this.#addr()
        return await this.#transport.call(addr, service, method, request, { timeoutMs, mutating: options.mutating })
      } catch (error) {
        await this.#beforeNextTry(tries, error)
      }
    }
  }

  /** Chooses the node of the next try and waits for its time. Throws the error if there is to be none. */
  async #beforeNextTry(tries: Tries, error: unknown): Promise<void> {
    if (!(error instanceof SandglassError) || !mayRetry(error, tries.mutating)) throw error
    const followed = tries.hinted !== undefined
    tries.hinted = followed ? undefined : error.leader
    const waitMs = tries.hinted === undefined ? tries.backoff.next() : 0
    if (this.#env.monoMs() + waitMs >= tries.until) throw error
    if (tries.hinted === undefined) this.#current++
    await new Promise<void>((resolve) => this.#env.after(waitMs, resolve))
  }

  #addr(): string {
    const addr = this.#addrs[this.#current % this.#addrs.length]
    if (addr === undefined) throw new SandglassError('UNREACHABLE', 'Cannot call: no address is known')
    return addr
  }
}

interface Tries {
  readonly until: number
  readonly backoff: Backoff
  readonly mutating: boolean
  /** The leader the last refusal named; followed once, then the round goes on. */
  hinted: string | undefined
}

function mayRetry(error: SandglassError, mutating: boolean): boolean {
  const { retry } = ERROR_TABLE[error.reason]
  if (retry === 'leader' || retry === 'other' || retry === 'same') return true
  return !mutating && (retry === 'sequence' || error.reason === 'DEADLINE')
}
