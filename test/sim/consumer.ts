/**
 * One consumer of one group on one partition, as the client library behaves (architecture §6): it reattaches with what it
 * holds, counts its leases from echoed marks, and stops counting them when no echo comes.
 */
import { SandglassError } from '../../src/base/errors.ts'
import type { GroupId } from '../../src/base/ids.ts'
import type { DeliveryBatch, Session, SessionSink } from '../../src/broker/session.ts'
import { MARK_EVERY_MS } from '../../src/client/lease-clock.ts'
import type { Held } from '../../src/views/timer/commands.ts'
import type { HolderView } from './books.ts'
import { type ClientWorld, valueIn } from './clients.ts'
import { type Holding, Holdings } from './holdings.ts'
import { Link } from './link.ts'

interface Settlement {
  readonly holding: Holding
  readonly type: 'ack' | 'nack' | 'extend'
  readonly sentMs: number
}

const BACKOFF_MS = 200
/** Once the faults are over what is left is soon done. */
const CALM_WORK_MS = 5
const SETTLE_RETRY_MS = 40
/** Frames a stalled consumer lets come before its stream takes no more. */
const BACKLOG_MAX = 3

export class SimConsumer implements HolderView {
  readonly name: string
  readonly partition: GroupId
  readonly group: string
  readonly #world: ClientWorld
  readonly #others: () => Iterable<HolderView>
  readonly #holdings: Holdings
  readonly #pending = new Map<number, Settlement>()
  #sessions = 0
  #attached = false
  #link: Link | undefined
  #session: Session | undefined
  #requests = 0
  #away = false
  /** What comes while it stands still. */
  #backlog: (() => void)[] | undefined
  #lastFresh = { due: 0, index: 0 }

  constructor(
    world: ClientWorld,
    spec: { partition: GroupId; group: string; name: string },
    others: () => Iterable<HolderView>,
  ) {
    this.#world = world
    this.name = spec.name
    this.partition = spec.partition
    this.group = spec.group
    this.#others = others
    this.#holdings = new Holdings(() => world.time.nowMs)
    this.#sessions++
    this.#tick()
    this.#connectLater()
  }

  counts(index: number): boolean {
    return this.#holdings.counts(index)
  }

  breakStream(): void {
    this.#link?.break()
  }

  /** Some process is gone. */
  serverEnded(): void {
    if (this.#link?.env.alive === false) this.#link.break()
  }

  stall(ms: number): void {
    if (this.#backlog !== undefined) return
    this.#backlog = []
    this.#world.time.after(ms, () => this.#goOn())
  }

  /** Leaves for a while: `clean` gives back what it holds, otherwise it just dies. */
  leave(clean: boolean, ms: number): void {
    if (this.#away) return
    this.#away = true
    const session = this.#session
    const link = this.#link
    // What the stream still brings, or brought while this one stalled, is nobody's.
    this.#link = undefined
    this.#session = undefined
    this.#holdings.end()
    this.#forget()
    if (clean) link?.toServer(() => session?.close(true))
    this.#world.time.after(clean ? 100 : 0, () => link?.break())
    this.#world.time.after(ms, () => {
      this.#away = false
      this.#connectLater()
    })
  }

  #forget(): void {
    this.#holdings.clear()
    this.#pending.clear()
    this.#attached = false
    this.#sessions++
  }

  #goOn(): void {
    const backlog = this.#backlog ?? []
    this.#backlog = undefined
    for (const run of backlog) run()
    const session = this.#session
    this.#link?.toServer(() => session?.drained())
  }

  #now(run: () => void): void {
    if (this.#backlog === undefined) run()
    else this.#backlog.push(run)
  }

  #tick(): void {
    this.#world.time.after(MARK_EVERY_MS, () => this.#tick())
    if (this.#backlog !== undefined) return
    this.#holdings.expire()
    const session = this.#session
    if (this.#link === undefined) return
    if (!this.#holdings.confirmed) this.#link.break()
    else if (session !== undefined) {
      const mark = this.#holdings.mark()
      this.#link.toServer(() => session.marked(mark))
    }
  }

  #connectLater(): void {
    const { time, random } = this.#world
    time.after(random.next() * BACKOFF_MS, () => this.#now(() => this.#connect()))
  }

  #connect(): void {
    const { time, random, habits } = this.#world
    if (this.#away || this.#link !== undefined) return
    const server = this.#world.guessLeader(this.partition)
    if (server === undefined) {
      this.#connectLater()
      return
    }
    let session: Session | undefined
    const link: Link = new Link(
      { time, env: server.env, delayMs: () => random.next() * habits.delayMs },
      { ended: () => this.#now(() => this.#ended(link)), cleanUp: () => session?.close(false) },
    )
    this.#link = link
    this.#holdings.begin()
    const id = this.#sessionId()
    const holds = this.#holdings.list
    const spec = {
      ...{ channel: 'master', group: this.group, consumer: this.name, session: id },
      ...{ leaseMs: habits.leaseMs, credit: habits.credit, start: { type: 'earliest' } as const },
      ...(this.#attached && { holds }),
    }
    const mark = this.#holdings.mark()
    link.toServer(() => {
      try {
        const partition = server.partition(this.partition)
        if (partition === undefined) throw new SandglassError('NOT_LEADER', 'Cannot subscribe: no replica')
        session = partition.subscribe(spec, this.#sink(link))
        session.marked(mark)
      } catch (error) {
        if (!(error instanceof SandglassError)) throw error
        link.toClient(() => this.#now(() => this.#refused(link, error)))
        return
      }
      link.toClient(() => this.#now(() => this.#opened(link, session)))
    })
  }

  /** 32 hex digits, others for every life. */
  #sessionId(): string {
    const text = `${this.name}/${this.partition}/${this.#sessions}`
    return Buffer.from(text.padEnd(16, '.').slice(0, 16), 'latin1').toString('hex')
  }

  #sink(link: Link): SessionSink {
    const tell = (run: () => void) => link.toClient(() => this.#now(() => link === this.#link && !this.#away && run()))
    return {
      writable: () => link.open && (this.#backlog?.length ?? 0) < BACKLOG_MAX,
      subscribed: (_cursor, kept) => tell(() => this.#subscribed(kept)),
      deliveries: (batch) => tell(() => this.#delivered(batch)),
      settled: (id, lost, error) => tell(() => this.#settled(id, lost, error)),
      mark: (id) => tell(() => this.#holdings.echo(id)),
      caughtUp: () => undefined,
      end: (error) => link.toClient(() => this.#now(() => this.#refused(link, error))),
    }
  }

  #opened(link: Link, session: Session | undefined): void {
    if (link === this.#link) this.#session = session
  }

  #refused(link: Link, error: SandglassError): void {
    this.#world.trace.note(`${this.name} ends ${error.reason}`)
    if (link === this.#link && error.reason === 'SESSION_REPLACED') this.#forget()
    link.break()
  }

  #ended(link: Link): void {
    if (link !== this.#link) return
    this.#link = undefined
    this.#session = undefined
    this.#holdings.end()
    this.#pending.clear()
    this.#connectLater()
  }

  #subscribed(kept: readonly Held[]): void {
    this.#attached = true
    for (const holding of this.#holdings.keep(kept)) this.#workLater(holding)
  }

  #delivered({ deliveredMs, leaseMs, mark, messages }: DeliveryBatch): void {
    const { books, trace } = this.#world
    for (const { due, index, fence, count, body } of messages) {
      const value = valueIn(body)
      trace.note(`${this.name} gets ${this.partition} ${index} ${fence} ${count}`)
      const { partition, group, name: consumer } = this
      const holding = this.#holdings.add({ index, fence }, mark, leaseMs)
      // What comes too late is nobody's, and is not taken from anybody.
      const others = this.#holdings.isOwn(holding) ? this.#others() : []
      books.handedOut({ partition, group, consumer, due, index, fence, value, deliveredMs }, others)
      if (count === 1) this.#checkOrder(due, index)
      this.#workLater(holding)
    }
  }

  /** What a group gets for the first time comes in order. */
  #checkOrder(due: number, index: number): void {
    const last = this.#lastFresh
    if (due < last.due || (due === last.due && index <= last.index)) {
      this.#world.fail('order', `${this.name} gets (${due}, ${index}) after (${last.due}, ${last.index})`)
    }
    this.#lastFresh = { due, index }
  }

  #workLater(holding: Holding, atLeastMs = 0): void {
    const { time, random, habits } = this.#world
    const workMs = this.#world.calm ? Math.min(habits.workMs, CALM_WORK_MS) : habits.workMs
    time.after(atLeastMs + random.next() * workMs, () => this.#now(() => this.#work(holding)))
  }

  #work(holding: Holding): void {
    const { time, random, habits, calm } = this.#world
    const isCurrent = this.#holdings.has(holding) && !holding.settling
    if (!isCurrent || this.#session === undefined) return
    if (holding.leaseEnd <= time.nowMs || !this.#holdings.confirmed) {
      this.#holdings.release(holding)
      return
    }
    const choice = calm ? 1 : random.next()
    if (choice < habits.forgetShare) return
    if (choice < habits.forgetShare + habits.nackShare) this.#settle(holding, 'nack')
    else if (choice < habits.forgetShare + habits.nackShare + habits.extendShare) this.#settle(holding, 'extend')
    else this.#settle(holding, 'ack')
  }

  #settle(holding: Holding, type: Settlement['type']): void {
    const { time, random, habits } = this.#world
    const session = this.#session
    const link = this.#link
    if (session === undefined || link === undefined) return
    const { index, fence } = holding
    const id = ++this.#requests
    holding.settling = true
    if (type === 'nack') holding.given = true
    this.#pending.set(id, { holding, type, sentMs: time.nowMs })
    const delayMs = random.chance(0.5) ? 0 : random.below(1500)
    const keepPlace = delayMs === 0 && random.chance(0.5)
    link.toServer(() => {
      if (type === 'ack') session.ack(id, [{ index, fence }])
      else if (type === 'extend') session.extend(id, [{ index, fence }], habits.leaseMs)
      else session.nack(id, [{ index, fence, delayMs, keepPlace, reason: keepPlace ? '' : 'not now' }])
    })
  }

  #settled(id: number, lost: readonly number[], error: SandglassError | undefined): void {
    const settlement = this.#pending.get(id)
    if (settlement === undefined) return
    const { holding, type, sentMs } = settlement
    this.#pending.delete(id)
    holding.settling = false
    this.#world.trace.note(`${this.name} ${type} ${holding.index} ${error?.reason ?? lost.length}`)
    if (error !== undefined) {
      this.#workLater(holding, SETTLE_RETRY_MS)
      return
    }
    if (lost.length > 0 && this.#holdings.isOwn(holding)) {
      this.#world.fail('leaseLost', `${this.name} loses ${holding.index} under ${holding.fence} while its lease runs`)
    }
    if (lost.length > 0 || type !== 'extend') this.#holdings.release(holding)
    if (lost.length > 0) return
    if (type === 'ack') this.#world.books.acknowledged(this.partition, this.group, holding.index, holding.fence)
    if (type !== 'extend') return
    holding.leaseEnd = sentMs + this.#world.habits.leaseMs
    this.#workLater(holding)
  }
}
