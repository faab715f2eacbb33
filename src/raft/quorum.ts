/**
 * Quorum maths (§5.4, §6): what a majority has, in one configuration or in both halves of a joint one. Pure; ids are
 * looked up through a function so that one routine serves log positions, read confirmations and votes.
 */
export type VoteResult = 'pending' | 'lost' | 'won'

/** Both halves of a configuration; `votersOutgoing` is empty unless it is joint. */
export interface Voters {
  readonly voters: readonly number[]
  readonly votersOutgoing: readonly number[]
}

/**
 * The highest index that a quorum of both halves has reached; `indexOf` answers undefined for who never reported.
 * Infinity if nobody votes, so that an empty half never holds the other one back.
 */
export function quorumIndex(config: Voters, indexOf: (id: number) => number | undefined): number {
  return Math.min(majorityIndex(config.voters, indexOf), majorityIndex(config.votersOutgoing, indexOf))
}

/** Whether an election is decided; `voteOf` answers undefined for who has not voted. A joint one needs both halves. */
export function quorumVote(config: Voters, voteOf: (id: number) => boolean | undefined): VoteResult {
  const incoming = majorityVote(config.voters, voteOf)
  const outgoing = majorityVote(config.votersOutgoing, voteOf)
  if (incoming === outgoing) return incoming
  return incoming === 'lost' || outgoing === 'lost' ? 'lost' : 'pending'
}

function majorityIndex(ids: readonly number[], indexOf: (id: number) => number | undefined): number {
  if (ids.length === 0) return Number.POSITIVE_INFINITY
  const sorted: number[] = []
  for (const id of ids) insertAscending(sorted, indexOf(id) ?? 0)
  return sorted[ids.length - majority(ids.length)] ?? 0
}

function majorityVote(ids: readonly number[], voteOf: (id: number) => boolean | undefined): VoteResult {
  let granted = 0
  let missing = 0
  for (const id of ids) {
    const vote = voteOf(id)
    if (vote === undefined) missing++
    else if (vote) granted++
  }
  // An empty half agrees to everything: it is the missing half of a configuration that is not joint.
  const needed = ids.length === 0 ? 0 : majority(ids.length)
  if (granted >= needed) return 'won'
  return granted + missing >= needed ? 'pending' : 'lost'
}

function majority(count: number): number {
  return Math.floor(count / 2) + 1
}

/** Configurations are small: insertion beats a sort with a comparator, and this runs on every acknowledgement. */
function insertAscending(sorted: number[], value: number): void {
  let at = sorted.length
  sorted.push(value)
  for (; at > 0; at--) {
    const before = sorted[at - 1] ?? 0
    if (before <= value) break
    sorted[at] = before
  }
  sorted[at] = value
}
