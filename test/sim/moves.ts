/**
 * Replicas that move to another node: a new replica under a new id joins as a learner, takes the place of an old one in a
 * joint change, and the old one is removed for good. Each step is tried until it is known to have happened.
 */
import type { GroupId, NodeId, ReplicaId } from '../../src/base/ids.ts'
import type { Member } from '../../src/replication/group.ts'
import type { MemberChange } from '../../src/replication/member-change.ts'
import type { VirtualTime } from '../virtual-env.ts'
import type { Machine } from './machine.ts'

interface Move {
  readonly group: GroupId
  readonly from: Member
  readonly to: Member
  step: 'start' | 'learner' | 'swap' | 'remove' | 'done'
  /** The process that is removing it, however long that takes. */
  remover: Machine['process']
}

export interface MovesWorld {
  readonly time: VirtualTime
  readonly machines: readonly Machine[]
  /** Ready to take a change of membership. */
  leader(group: GroupId): Machine | undefined
  fail(kind: string, text: string): void
}

const LOOK_EVERY_MS = 300
/** Above all that placement hands out at first: ids only grow. */
const FIRST_NEW_REPLICA = 100_000

export class Moves {
  readonly #world: MovesWorld
  /** One per group at a time. */
  readonly #moves = new Map<GroupId, Move>()
  /** Members as the group began: every replica starts under them. */
  readonly #initial: ReadonlyMap<GroupId, readonly Member[]>
  readonly #members: Map<GroupId, readonly Member[]>
  readonly #everybody: Map<GroupId, readonly Member[]>
  #nextReplica: ReplicaId = FIRST_NEW_REPLICA

  constructor(world: MovesWorld, members: ReadonlyMap<GroupId, readonly Member[]>) {
    this.#world = world
    this.#initial = members
    this.#members = new Map(members)
    this.#everybody = new Map(members)
  }

  get busy(): boolean {
    return this.#moves.size > 0
  }

  isMoving(group: GroupId): boolean {
    return this.#moves.has(group)
  }

  /** Where all replicas are that ever were: a restarted process learns it from outside. */
  everybody(group: GroupId): readonly Member[] {
    return this.#everybody.get(group) ?? []
  }

  members(group: GroupId): readonly Member[] {
    return this.#members.get(group) ?? []
  }

  /** Moves a replica that does not lead to `node`, if that has none. */
  begin(group: GroupId, node: NodeId): void {
    const members = this.members(group)
    if (this.#moves.has(group) || members.some((member) => member.node === node)) return
    const leader = this.#world.leader(group)?.id
    const from = members.find((member) => member.node !== leader)
    if (leader === undefined || from === undefined) return
    const move: Move = { group, from, to: { replica: this.#nextReplica++, node }, step: 'start', remover: undefined }
    this.#moves.set(group, move)
    this.#everybody.set(group, [...this.everybody(group), move.to])
    this.#look(move)
  }

  #look(move: Move): void {
    this.#try(move)
    if (move.step === 'done') this.#moves.delete(move.group)
    else this.#world.time.after(LOOK_EVERY_MS, () => this.#look(move))
  }

  #try(move: Move): void {
    const { group, from, to } = move
    switch (move.step) {
      case 'start':
        this.#start(move)
        return
      case 'learner':
        this.#change(move, { steps: [{ type: 'addLearner', replica: to.replica }], added: [to] }, 'swap')
        return
      case 'swap': {
        // Whoever is to go hands leadership over first.
        const leader = this.#world.leader(group)
        if (leader?.id === from.node) {
          const other = this.members(group).find((member) => member.node !== from.node)
          leader.handle(group)?.transferLeadership(other?.replica ?? 0)
          return
        }
        const steps = [
          { type: 'addVoter', replica: to.replica },
          { type: 'remove', replica: from.replica },
        ] as const
        this.#change(move, { steps, added: [to] }, 'remove')
        return
      }
      case 'remove':
        this.#remove(move)
    }
  }

  #start(move: Move): void {
    const { group, to } = move
    const machine = this.#machine(to.node)
    if (machine?.up !== true) return
    machine.specs.set(group, { group, replica: to.replica, members: this.#initial.get(group) ?? [] })
    move.step = 'learner'
    machine.start(group).catch((error: unknown) => this.#world.fail('move', String(error)))
  }

  #change(move: Move, change: MemberChange, next: Move['step']): void {
    const leader = this.#world.leader(move.group)
    leader?.process?.multi?.changeMembers(move.group, change, (outcome) => {
      if (outcome.type !== 'applied' || move.step === next) return
      move.step = next
      if (next === 'remove') {
        const stay = this.members(move.group).filter(({ replica }) => replica !== move.from.replica)
        this.#members.set(move.group, [...stay, move.to])
      }
    })
  }

  #remove(move: Move): void {
    const machine = this.#machine(move.from.node)
    if (machine?.up !== true) return
    const { process } = machine
    if (move.remover === process) return
    if (machine.handle(move.group) === undefined) {
      // The process that began to remove it died over that: the next one is not told to run it.
      if (move.remover !== undefined) move.step = 'done'
      return
    }
    move.remover = process
    machine.remove(move.group).then(
      () => {
        move.step = 'done'
      },
      (error: unknown) => {
        if (process === machine.process) this.#world.fail('move', String(error))
      },
    )
  }

  #machine(node: NodeId): Machine | undefined {
    return this.#world.machines[node - 1]
  }
}
