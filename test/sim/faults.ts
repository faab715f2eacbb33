/** Makes the faults of a run happen, and undoes all of them when the cluster is to heal. */
import type { FaultEvent } from './fault-events.ts'
import type { Machine } from './machine.ts'
import type { World } from './world.ts'

/** Pairs of nodes, from and to. */
type Cuts = readonly (readonly [number, number])[]

/** Within what a node may be off. */
export const NEAR_MS = 900
/** Above the life of producers' sequences (1 h). */
const WILD_MS = 7_200_000
const SLOWNESS = 20
const BYTES_LEFT_MAX = 3000
/** Under load: for how long a process stands still at most, and runs between. Elections take 400 ms and more. */
const LATE_MS_MAX = 700
const RUN_MS = 10

export class Faults {
  readonly #world: World
  #healed = false
  /** Whose wall clock is far off: always the same one, since what others read of a clock outlives its error by seconds. */
  #wild: Machine | undefined

  constructor(world: World, events: readonly FaultEvent[]) {
    this.#world = world
    for (const event of events) {
      world.time.after(event.atMs, () => {
        if (this.#healed || world.checker.finding !== undefined) return
        world.trace.note(`fault ${JSON.stringify(event)}`)
        this.#strike(event)
      })
    }
  }

  /** Everything mends; who is down comes back. */
  heal(): void {
    this.#healed = true
    const { network, machines } = this.#world
    this.#world.trace.note('heal')
    network.heal()
    for (const machine of machines) {
      machine.disk.heal()
      machine.wallOffsetMs = 0
      machine.process?.env.resume()
      machine.boot()
    }
  }

  #strike(event: FaultEvent): void {
    switch (event.type) {
      case 'powerCut':
      case 'powerCutLeader':
      case 'powerCutAll':
      case 'kill':
      case 'restart':
      case 'pause':
        this.#strikeProcess(event)
        return
      case 'partition':
      case 'oneWay':
      case 'bridge':
      case 'isolate':
        this.#cutFor(event.ms, this.#cuts(event))
        return
      case 'slow':
        this.#slow(event.ms)
        return
      case 'clock':
        this.#moveClock(event)
        return
      case 'transfer':
        this.#transfer(event)
        return
      case 'move':
        this.#world.moves.begin(this.#group(event), event.node)
        return
      case 'breakStream':
      case 'stall':
      case 'leave':
      case 'die':
        this.#strikeConsumer(event)
        return
      case 'loseState':
        this.#loseState(event)
        return
      case 'load':
        this.#load(event)
        return
      default:
        this.#strikeDisk(event)
    }
  }

  #strikeProcess(event: FaultEvent): void {
    const { machines } = this.#world
    const machine = this.#machine(event)
    switch (event.type) {
      case 'powerCutAll':
        for (const each of machines) each.end('power', event.ms)
        return
      case 'powerCutLeader':
        this.#world.leader(this.#group(event))?.end('power', event.ms)
        return
      case 'powerCut':
        machine?.end('power', event.ms)
        return
      case 'kill':
        machine?.end('kill', event.ms)
        return
      case 'restart':
        machine?.restart(event.ms)
        return
      default: {
        const env = machine?.process?.env
        env?.pause()
        this.#world.time.after(event.ms, () => env?.resume())
      }
    }
  }

  #strikeDisk({ type, node, ms, amount }: FaultEvent): void {
    const disk = this.#world.machines[node - 1]?.disk
    const error = { type: 'error', code: 'EIO' } as const
    if (type === 'stuckDisk') disk?.stick(ms)
    else if (type === 'failSync') disk?.arm('datasync', error)
    else if (type === 'failWrite') disk?.arm('writev', error)
    else if (type === 'shortWrite') disk?.arm('writev', { type: 'short', bytes: Math.floor(amount * 600) })
    else if (type === 'diskFull') {
      disk?.fill(Math.floor(amount * BYTES_LEFT_MAX))
      this.#world.time.after(ms, () => disk?.makeRoom())
    }
  }

  #load({ node, ms, amount }: FaultEvent): void {
    const { time, machines } = this.#world
    const env = machines[node - 1]?.process?.env
    const endMs = time.nowMs + ms
    const stop = () => {
      if (this.#healed || time.nowMs >= endMs) return
      env?.pause()
      time.after(1 + amount * LATE_MS_MAX, () => {
        env?.resume()
        time.after(RUN_MS, stop)
      })
    }
    stop()
  }

  /** One replica of a group at a time, and none while they move: somebody must have both the state and the newest log. */
  #loseState({ node, partition, ms, amount }: FaultEvent): void {
    const { machines, moves } = this.#world
    const group = this.#world.partitions[partition] ?? 0
    const machine = machines[node - 1]
    if (machine?.specs.has(group) !== true || moves.isMoving(group)) return
    if (!machines.some(({ stateLost }) => stateLost.has(group))) machine.loseState(group, amount, ms)
  }

  #strikeConsumer({ type, ms, amount }: FaultEvent): void {
    const { consumers } = this.#world
    const consumer = consumers[Math.floor(amount * consumers.length)]
    if (type === 'breakStream') consumer?.breakStream()
    else if (type === 'stall') consumer?.stall(ms)
    else consumer?.leave(type === 'leave', ms)
  }

  #moveClock({ node, ms, amount }: FaultEvent): void {
    const { clocks } = this.#world.swarm
    const chosen = this.#world.machines[node - 1]
    if (chosen === undefined || clocks === 'true') return
    if (clocks === 'near') {
      chosen.wallOffsetMs = (2 * amount - 1) * NEAR_MS
      return
    }
    this.#wild ??= chosen
    const machine = this.#wild
    machine.wallOffsetMs = (2 * amount - 1) * WILD_MS
    this.#world.time.after(ms, () => {
      machine.wallOffsetMs = 0
    })
  }

  #transfer(event: FaultEvent): void {
    const group = this.#group(event)
    const to = this.#world.moves.members(group).find(({ node }) => node === event.node)
    if (to !== undefined) this.#world.leader(group)?.handle(group)?.transferLeadership(to.replica)
  }

  #slow(ms: number): void {
    const { network, time } = this.#world
    network.slowness = SLOWNESS
    time.after(ms, () => {
      network.slowness = 1
    })
  }

  #cutFor(ms: number, cuts: Cuts): void {
    const { network, time } = this.#world
    for (const [from, to] of cuts) network.cut(from, to)
    time.after(ms, () => {
      if (!this.#healed) for (const [from, to] of cuts) network.mend(from, to)
    })
  }

  #cuts({ type, node, amount }: FaultEvent): Cuts {
    const { machines } = this.#world
    const mask = 1 + Math.floor(amount * (2 ** machines.length - 2))
    const side = (id: number) => (type === 'isolate' ? id === node : ((mask >> (id - 1)) & 1) === 1)
    const cuts: [number, number][] = []
    for (const { id: from } of machines) {
      for (const { id: to } of machines) {
        if (side(from) === side(to) || (type === 'bridge' && (from === node || to === node))) continue
        if (type !== 'oneWay' || side(from)) cuts.push([from, to])
      }
    }
    return cuts
  }

  #machine({ node }: FaultEvent): Machine | undefined {
    return this.#world.machines[node - 1]
  }

  #group({ partition }: FaultEvent): number {
    return this.#world.partitions[partition] ?? 0
  }
}
