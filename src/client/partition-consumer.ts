// One consumer session on one partition: subscribes at the leader, takes deliveries, keeps count of what it holds, and
// subscribes again with those holds wherever the leader is next. Deliveries not yet handed out when a stream breaks are
// let go: the next subscription does not list them, so they come again at once.
import type { Env, Timer } from '../base/env.ts'
import { ERROR_TABLE, SandglassError } from '../base/errors.ts'
import { fromErrorMessage } from '../wire/errors.ts'
import type { ConsumeResponse, Deliveries, Subscribed } from '../wire/messages.ts'
import { Backoff } from './backoff.ts'
import { HeldDelivery, type Holder, type Settlement } from './delivery.ts'
import { LeaseClock, MARK_EVERY_MS } from './lease-clock.ts'
import { Settler } from './settler.ts'
import type { ConsumeLink, LinkEvents } from './transport.ts'

export interface Subscription {
  readonly topic: string
  readonly partition: number
  readonly channel: string
  readonly group: string
  readonly consumer: string
  /** 16 bytes, the same for every stream of this session. */
  readonly session: Uint8Array
  /** 0: the node's default. */
  readonly leaseMs: number
  readonly credit: number
}

/** The session's stream stands again, or broke. `confirmedMs`: until then a leader certainly had the session. */
export interface SessionEvent {
  readonly type: 'attached' | 'broken'
  readonly partition: number
  /** Ms since 1970 by this machine's clock. */
  readonly atMs: number
  readonly confirmedMs: number
}

export interface PartitionContext {
  readonly env: Env
  readonly timeoutMs: number
  leader(): string | undefined
  leaderLost(hint: string | undefined): void
  open(addr: string, events: LinkEvents<ConsumeResponse>): ConsumeLink
  deliver(deliveries: readonly HeldDelivery[]): void
  /** Whether everything due is handed out, as far as this partition's leader knows. */
  caughtUp(is: boolean): void
  /** Some buffered deliveries are gone. */
  withdrawn(): void
  session(event: SessionEvent): void
  /** It cannot go on. */
  failed(error: SandglassError): void
}

type State = 'waiting' | 'subscribing' | 'subscribed' | 'closed'

const CLOSE_MS = 1000

export class PartitionConsumer implements Holder {
  readonly #context: PartitionContext
  readonly #subscription: Subscription
  readonly #clock = new LeaseClock()
  readonly #backoff: Backoff
  readonly #settler: Settler
  /** By fence; bounded by the credit. */
  readonly #held = new Map<number, HeldDelivery>()
  #state: State = 'waiting'
  #link: ConsumeLink | undefined
  #attached = false
  #tick: Timer | undefined
  #retry: Timer | undefined
  #linkEnded: (() => void) | undefined

  constructor(context: PartitionContext, subscription: Subscription) {
    this.#context = context
    this.#subscription = subscription
    this.#backoff = new Backoff(context.env)
    this.#settler = new Settler({
      env: context.env,
      timeoutMs: context.timeoutMs,
      send: (request) => {
        if (this.#state === 'subscribed') this.#link?.send(request)
        return this.#state === 'subscribed'
      },
      settled: (held, settlement, sentAt) => this.#settled(held, settlement, sentAt),
      lost: (held) => this.#release(held),
    })
    this.#onTick()
    this.#open()
  }

  /** Gives a buffered delivery to the user; false if it may no longer be counted as held. */
  take(held: HeldDelivery): boolean {
    const now = this.#context.env.monoMs()
    if (held.state !== 'buffered') return false
    if (!this.#clock.confirmed(now)) {
      // Let go alone it would stay leased to its end if the echo comes after all; with its stream it comes again at once.
      this.#ended(new SandglassError('UNREACHABLE', 'Cannot go on: the leader no longer answers'))
      return false
    }
    if (held.leaseEnd <= now) {
      this.#release(held)
      return false
    }
    held.state = 'out'
    return true
  }

  settle(held: HeldDelivery, settlement: Settlement): Promise<void> {
    if (this.#state === 'closed') {
      return Promise.reject(new SandglassError('SHUTTING_DOWN', 'Cannot settle the delivery: the consumer is closed'))
    }
    return this.#settler.settle(held, settlement)
  }

  /** Settles what was asked for, gives back the rest, ends the stream. Takes at most the client's timeout and a second. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return
    const { env, timeoutMs } = this.#context
    const until = env.monoMs() + timeoutMs
    while (this.#settler.busy && env.monoMs() < until) await this.#pause(10)
    const subscribed = this.#state === 'subscribed'
    this.#stop(new SandglassError('SHUTTING_DOWN', 'Cannot settle the delivery: the consumer is closed'))
    if (subscribed && this.#link !== undefined) {
      this.#link.finish()
      await new Promise<void>((resolve) => {
        const timer = env.after(CLOSE_MS, resolve)
        this.#linkEnded = () => {
          timer.cancel()
          resolve()
        }
      })
    }
    this.#link?.cancel()
    this.#link = undefined
  }

  /** Ends now: nobody will answer what is asked for. */
  abort(error: SandglassError): void {
    if (this.#state === 'closed') return
    this.#stop(error)
    this.#link?.cancel()
    this.#link = undefined
  }

  #stop(error: SandglassError): void {
    this.#state = 'closed'
    this.#tick?.cancel()
    this.#retry?.cancel()
    this.#settler.abort(error)
    for (const held of this.#held.values()) held.state = 'gone'
    this.#held.clear()
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#context.env.after(ms, resolve))
  }

  #open(): void {
    const addr = this.#context.leader()
    if (addr === undefined) {
      this.#again(undefined)
      return
    }
    const now = this.#context.env.monoMs()
    this.#state = 'subscribing'
    this.#clock.begin(now)
    const link = this.#context.open(addr, {
      message: (response) => this.#received(response),
      ended: (error) => this.#ended(error),
    })
    this.#link = link
    const holds = [...this.#held.values()].map(({ index, fence }) => ({ index, fence }))
    link.send({ subscribe: { ...this.#subscription, reattach: this.#attached, ...(this.#attached && { holds }) } })
    link.send({ mark: { id: this.#clock.mark(now) } })
  }

  #received(response: ConsumeResponse): void {
    if (response.deliveries !== null) this.#delivered(response.deliveries)
    else if (response.settled !== null) this.#settler.answered(response.settled)
    else if (response.mark !== null) this.#clock.echo(response.mark.id)
    else if (response.caughtUp !== null) this.#context.caughtUp(true)
    else if (response.subscribed !== null) this.#subscribed(response.subscribed)
    else if (response.end !== null) this.#ended(fromErrorMessage(response.end))
  }

  #subscribed({ kept }: Subscribed): void {
    if (this.#state !== 'subscribing') return
    this.#state = 'subscribed'
    this.#attached = true
    this.#backoff.reset()
    const fences = new Set(kept.map(({ fence }) => fence))
    for (const held of this.#held.values()) if (!fences.has(held.fence)) this.#release(held)
    this.#settler.resume()
    this.#tell('attached')
  }

  #tell(type: SessionEvent['type']): void {
    const { env, session } = this.#context
    const atMs = env.wallMs()
    const ageMs = env.monoMs() - this.#clock.confirmedAt
    session({ type, partition: this.#subscription.partition, atMs, confirmedMs: atMs - ageMs })
  }

  #delivered(batch: Deliveries): void {
    if (this.#state !== 'subscribed') return
    const { partition } = this.#subscription
    const leaseFrom = this.#clock.leaseFrom(batch.mark)
    const { deliveredMs, leaseMs } = batch
    const receivedAt = this.#context.env.monoMs()
    const deliveries = batch.deliveries.map(
      (message) => new HeldDelivery(this, message, { partition, deliveredMs, leaseMs, leaseFrom, receivedAt }),
    )
    for (const held of deliveries) this.#held.set(held.fence, held)
    this.#context.caughtUp(false)
    this.#context.deliver(deliveries)
  }

  #settled(held: HeldDelivery, settlement: Settlement, sentAt: number): void {
    if (settlement.type !== 'extend') {
      this.#release(held)
      return
    }
    held.leaseEnd = sentAt + settlement.leaseMs
    held.claimEnd = this.#context.env.monoMs() + settlement.leaseMs
    if (held.state === 'gone') held.state = 'out'
    this.#held.set(held.fence, held)
  }

  #release(held: HeldDelivery): void {
    held.state = 'gone'
    this.#held.delete(held.fence)
  }

  #ended(error: SandglassError): void {
    this.#link?.cancel()
    this.#link = undefined
    this.#linkEnded?.()
    if (this.#state === 'closed' || this.#state === 'waiting') return
    if (this.#state === 'subscribed') this.#tell('broken')
    if (ERROR_TABLE[error.reason].retry === 'never' && error.reason !== 'INTERNAL') {
      this.#stop(error)
      this.#context.failed(error)
      return
    }
    this.#again(error)
  }

  /** Another stream, after a while; at once after a hint. */
  #again(error: SandglassError | undefined): void {
    this.#state = 'waiting'
    this.#settler.interrupt()
    this.#dropBuffered(() => true)
    this.#context.caughtUp(false)
    this.#context.leaderLost(error?.leader)
    // Even a hint may be wrong again and again: only the first after a working stream is free.
    const free = error?.leader !== undefined && this.#backoff.fresh
    const waitMs = this.#backoff.next()
    this.#retry = this.#context.env.after(free ? 0 : waitMs, () => this.#open())
  }

  /** Sends marks, ends what is past its time, gives up a stream that no longer confirms. */
  #onTick(): void {
    const { env } = this.#context
    const now = env.monoMs()
    this.#tick = env.after(MARK_EVERY_MS, () => this.#onTick())
    this.#settler.expire(now)
    this.#dropBuffered((held) => held.leaseEnd <= now)
    for (const held of this.#held.values()) if (held.claimEnd <= now) this.#release(held)
    if (this.#link === undefined) return
    if (this.#clock.confirmed(now)) this.#link.send({ mark: { id: this.#clock.mark(now) } })
    else this.#ended(new SandglassError('UNREACHABLE', 'Cannot go on: the leader no longer answers'))
  }

  #dropBuffered(which: (held: HeldDelivery) => boolean): void {
    let dropped = false
    for (const held of this.#held.values()) {
      if (held.state !== 'buffered' || !which(held)) continue
      this.#release(held)
      dropped = true
    }
    if (dropped) this.#context.withdrawn()
  }
}
