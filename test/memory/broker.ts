/** What a leader keeps of commands on their way. */
import { Budget } from '../../src/base/budget.ts'
import { SandglassError } from '../../src/base/errors.ts'
import { createLaneBudgets, EntryBatch, Lane, WaitingCommand } from '../../src/broker/lane.ts'
import { Proposer } from '../../src/broker/proposer.ts'
import type { ProposalOutcome } from '../../src/replication/group.ts'
import type { ProduceCommand, TimerReply } from '../../src/views/timer/commands.ts'
import { MIB, type Scenarios } from './scenario.ts'

const NOBODY = () => undefined

const PRODUCE: ProduceCommand = {
  type: 'produce',
  messages: [{ channel: 'master', body: new Uint8Array(MIB - 1024) }],
}

/** A proposer whose entries are never answered; what replication encoded of them is not kept here. */
function unanswered(budgets = createLaneBudgets()) {
  const outcomes: ((outcome: ProposalOutcome<TimerReply>) => void)[] = []
  const proposer = new Proposer({
    handle: { propose: ({ done }) => void outcomes.push(done) },
    budgets,
    now: () => 0,
    refusal: (reason) => new SandglassError(reason, 'refused'),
    schedule: NOBODY,
    horizonMoved: NOBODY,
  })
  return { proposer, outcomes }
}

export const BROKER = {
  lane() {
    const lane = new Lane(16 * MIB, new Budget(64 * MIB))
    lane.push(new WaitingCommand(new Uint8Array(MIB - 1), 1, NOBODY))
    for (let given = 0; given < 60; given++) {
      lane.push(new WaitingCommand(new Uint8Array(MIB - 1), 1, NOBODY))
      lane.answered(lane.moveTo(new EntryBatch()))
    }
    return lane
  },

  entriesOnTheirWay() {
    const { proposer, outcomes } = unanswered()
    for (let i = 0; i < 15; i++) {
      proposer.submit(PRODUCE, NOBODY)
      proposer.flush()
    }
    return { proposer, outcomes }
  },

  lanesOfManyPartitions() {
    const budgets = createLaneBudgets()
    const partitions = Array.from({ length: 100 }, () => unanswered(budgets).proposer)
    for (let round = 0; round < 16; round++) {
      for (const proposer of partitions) proposer.submit(PRODUCE, NOBODY)
    }
    return partitions
  },
} satisfies Scenarios
