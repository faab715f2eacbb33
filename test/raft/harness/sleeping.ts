/** Groups that sleep, for tests of falling asleep and of waking. */
import { expect } from 'vitest'
import type { RaftConfig } from '../../../src/raft/types.ts'
import { type Network, networkOf } from './network.ts'

export const IDLE = 5
export const ELECTION = 10

/** `silent`: ticks since the host heard of any node. */
export function options(silent = 0): Pick<RaftConfig, 'preVote' | 'checkQuorum' | 'quiescence'> {
  return { preVote: true, checkQuorum: true, quiescence: { idleTicks: IDLE, silentTicks: () => silent } }
}

/** Ids of those that sleep. */
export function asleep(net: Network): number[] {
  return [...net.nodes.values()].filter(({ raft }) => raft.quiesced).map(({ id }) => id)
}

/** Three replicas that sleep under the first. */
export function sleeping(silent = 0): Network {
  const net = networkOf(3, options(silent))
  net.campaign(1)
  net.ticks(1, IDLE)
  expect(asleep(net)).toEqual([1, 2, 3])
  return net
}
