/** Quorum scripts: `committed` and `vote` over one configuration or two joint ones. */
import { quorumIndex, quorumVote } from '../../../src/raft/quorum.ts'
import type { Argument, Directive } from './grammar.ts'

const VOTES = { pending: 'VotePending', lost: 'VoteLost', won: 'VoteWon' } as const

export function runQuorum({ command, args }: Directive): string {
  const voters = list(args, 'cfg').map(Number)
  const votersOutgoing = list(args, 'cfgj')
    .filter((word) => word !== 'zero')
    .map(Number)
  // Reports are given in the order in which the ids appear.
  const ids = [...new Set([...voters, ...votersOutgoing])]
  const config = { voters, votersOutgoing }
  if (command === 'vote') {
    const votes = list(args, 'votes')
    return VOTES[quorumVote(config, (id) => voteOf(votes[ids.indexOf(id)]))]
  }
  if (command !== 'committed') throw new Error(`unknown command ${command}`)
  const words = list(args, 'idx')
  const indexOf = (id: number): number | undefined => {
    const word = words[ids.indexOf(id)] ?? '_'
    return word === '_' ? undefined : Number(word)
  }
  const index = quorumIndex(config, indexOf)
  const shown = Number.isFinite(index) ? String(index) : '∞'
  return `${describe(
    [...ids].sort((a, b) => a - b),
    indexOf,
  )}${shown}\n`
}

function list(args: readonly Argument[], key: string): readonly string[] {
  return args.filter((arg) => arg.key === key).flatMap((arg) => arg.values)
}

function voteOf(word: string | undefined): boolean | undefined {
  if (word === 'y') return true
  return word === 'n' ? false : undefined
}

/** A bar per replica: as long as the number of replicas that have less. */
function describe(ids: readonly number[], indexOf: (id: number) => number | undefined): string {
  if (ids.length === 0) return '<empty majority quorum>'
  const rows = ids.map((id) => {
    const index = indexOf(id)
    const bar = ids.filter((other) => (indexOf(other) ?? 0) < (index ?? 0)).length
    const head =
      index === undefined ? `?${' '.repeat(ids.length)}` : `${'x'.repeat(bar)}>${' '.repeat(ids.length - bar)}`
    return `${head} ${String(index ?? 0).padStart(5)}    (id=${id.toString(16)})\n`
  })
  return `${' '.repeat(ids.length)}    idx\n${rows.join('')}`
}
