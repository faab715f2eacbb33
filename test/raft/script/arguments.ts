/** Arguments of interaction commands: their values, and the configuration that `add-nodes` asks for. */
import type { ConfChangeTransition } from '../../../src/raft/conf-change.ts'
import { UNLIMITED } from '../harness/node.ts'
import type { Argument } from './grammar.ts'
import type { ScriptConfig } from './script-node.ts'

/** Ticks of `tick-election` and `tick-heartbeat`. */
export const ELECTION_TICKS = 3
export const HEARTBEAT_TICKS = 1

/** What a script may say to end its directive with an error text. */
export class ScriptError extends Error {}

export function transitionOf(name: string): ConfChangeTransition {
  if (name === 'auto' || name === 'implicit' || name === 'explicit') return name
  throw new ScriptError(`unknown transition ${name}`)
}

export function values(args: readonly Argument[], key: string): readonly string[] {
  return args.filter((arg) => arg.key === key).flatMap((arg) => arg.values)
}

export function numbers(args: readonly Argument[], key: string): number[] {
  return values(args, key).map(Number)
}

export function number(args: readonly Argument[], key: string): number | undefined {
  return numbers(args, key)[0]
}

export function configOf(args: readonly Argument[]): ScriptConfig {
  const flag = (key: string): boolean => values(args, key)[0] === 'true'
  const [reads = 'safe'] = values(args, 'read-only')
  if (reads !== 'safe' && reads !== 'lease-based') throw new ScriptError(`invalid read-only option "${reads}"`)
  return {
    asyncStorage: flag('async-storage-writes'),
    electionTicks: ELECTION_TICKS,
    heartbeatTicks: HEARTBEAT_TICKS,
    preVote: flag('prevote'),
    checkQuorum: flag('checkquorum'),
    stepDownOnRemoval: flag('step-down-on-removal'),
    maxBytesPerMessage: UNLIMITED,
    maxInflightMessages: number(args, 'inflight') ?? 2 ** 31 - 1,
    maxInflightBytes: 0,
    maxUncommittedBytes: UNLIMITED,
    maxCommittedBytesPerReady: number(args, 'max-committed-size-per-ready') ?? UNLIMITED,
    // No randomness: a script sets other timeouts by hand.
    random: () => 0,
    leaseReads: reads === 'lease-based',
    forwardProposals: true,
    skipConfChangeChecks: flag('disable-conf-change-validation'),
  }
}
