/** A timer view with its rows, driven command by command. Time stands still unless it is told to pass. */
import { encodeTimerCommand } from '../../../src/views/timer/codec.ts'
import type {
  Granted,
  GroupStart,
  Held,
  NackItem,
  NewMessage,
  Position,
  TimerCommand,
  TimerEffect,
  TimerReply,
} from '../../../src/views/timer/commands.ts'
import type { GroupView, Waiting } from '../../../src/views/timer/queries.ts'
import { createTimerView, type TimerView } from '../../../src/views/timer/timer-view.ts'
import { flush } from '../flushed.ts'
import { reload } from '../reload.ts'
import { MapStore } from './map-store.ts'

export const G = { channel: 'master', group: 'g' }
type Reply<T extends TimerReply['type']> = Extract<TimerReply, { type: T }>

export class PartitionDriver {
  view: TimerView = createTimerView()
  store = new MapStore()
  at = 1_000
  effects: readonly TimerEffect[] = []
  readonly log: { readonly bytes: Uint8Array; readonly at: number }[] = []

  /** The group under test. */
  get g(): GroupView {
    const group = this.view.group(G)
    if (group === undefined) throw new Error('no group yet')
    return group
  }

  apply(command: TimerCommand): TimerReply {
    const bytes = encodeTimerCommand(command)
    const { reply, effects } = this.view.apply(bytes, { at: this.at, index: 1, store: this.store })
    this.effects = effects
    this.log.push({ bytes, at: this.at })
    return reply
  }

  /** Applies, and the reply must be of this type. */
  expect<T extends TimerReply['type']>(type: T, command: TimerCommand): Reply<T> {
    const reply = this.apply(command)
    if (!isOf(reply, type)) throw new Error(`${command.type} was answered ${JSON.stringify(reply)}`)
    return reply
  }

  pass(ms: number): void {
    this.at += ms
  }

  /** Stores messages on the master channel that are due after `delays`. */
  produce(...delays: readonly number[]): readonly Position[] {
    const messages = delays.map((delayMs): NewMessage => ({ channel: 'master', body: text('m'), delayMs }))
    return this.expect('produced', { type: 'produce', messages }).positions
  }

  attach(
    session: string,
    consumer = session,
    start: GroupStart = { type: 'earliest' },
    holds?: readonly Held[],
  ): TimerReply {
    const command = { type: 'attach', ...G, consumer, session, start } as const
    return this.apply(holds === undefined ? command : { ...command, holds })
  }

  /** Delivers new positions, all that lie up to the last of them. */
  deliver(session: string, positions: readonly Position[], leaseMs = 100): readonly Granted[] {
    const to = positions[positions.length - 1] ?? this.g.cursor
    return this.tryDeliver({ to, runs: [{ session, leaseMs, positions, again: [] }] }).runs[0]?.items ?? []
  }

  again(session: string, indexes: readonly number[], leaseMs = 100): readonly Granted[] {
    const run = { session, leaseMs, positions: [], again: indexes }
    return this.tryDeliver({ to: this.g.cursor, runs: [run] }).runs[0]?.items ?? []
  }

  tryDeliver(part: Partial<Extract<TimerCommand, { type: 'deliver' }>> & { to: Position }): Reply<'delivered'> {
    return this.expect('delivered', { type: 'deliver', ...G, after: this.g.cursor, runs: [], parked: [], ...part })
  }

  ack(items: readonly Held[]): readonly number[] {
    return this.expect('settled', { type: 'ack', ...G, items }).lost
  }

  nack(items: readonly Held[], how: Partial<NackItem> = {}): readonly number[] {
    const full = items.map(({ index, fence }) => ({ delayMs: 0, keepPlace: false, reason: '', ...how, index, fence }))
    return this.expect('settled', { type: 'nack', ...G, items: full }).lost
  }

  /** Checkpoint, then a fresh view from its rows. */
  async reload(): Promise<void> {
    flush(this.view, this.store)
    this.view = await reload(createTimerView(), this.store)
  }

  /** What is ready once some of what lies cold was read back. */
  async thawed(until: number, limit: number): Promise<readonly Waiting[]> {
    await this.g.thaw(this.store, until)
    return this.g.ready(until, limit)
  }

  ready(): readonly number[] {
    return this.g.ready(this.at, 1_000).map((waiting) => waiting.index)
  }
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

function isOf<T extends TimerReply['type']>(reply: TimerReply, type: T): reply is Reply<T> {
  return reply.type === type
}
