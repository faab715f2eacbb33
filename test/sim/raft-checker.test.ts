/** The checker of the whole stack notices what it is there for. */
import { describe, expect, test } from 'vitest'
import type { HardState } from '../../src/base/log-entry.ts'
import type { Message } from '../../src/raft/types.ts'
import { encodeFrame } from '../../src/replication/frame/frame.ts'
import type { GroupLog } from '../../src/storage/wal/types.ts'
import { entriesOf, messageOf } from '../raft/harness/entries.ts'
import { MemoryLog } from '../raft/harness/memory-log.ts'
import { RaftChecker } from './raft-checker.ts'

const GROUP = 1

/** Of replica 1; an entry per term. */
function logOf(terms: readonly number[], hard: HardState = { term: 0, vote: 0, commit: 0 }): GroupLog {
  const log = Object.assign(new MemoryLog(), { group: GROUP, replica: 1, bytesFrom: () => 0 })
  log.append(entriesOf(terms))
  log.hard = hard
  return log
}

function kindOf(run: (checker: RaftChecker) => void): string | undefined {
  const checker = new RaftChecker(() => undefined)
  run(checker)
  return checker.finding?.kind
}

describe('what leaves a node', () => {
  /** Node 1 sends a message while this lies on its disk. */
  function sends(checker: RaftChecker, message: Message, log: GroupLog | undefined): void {
    const frame = encodeFrame({ clock: { wallMs: 0, stamp: 0 }, envelopes: [{ group: GROUP, message }] })
    checker.sent(1, frame, { group: () => log })
  }

  const vote = messageOf('requestVoteResponse', 1, 2, 5)
  const request = messageOf('requestVote', 1, 2, 5)
  const acknowledgement = messageOf('appendEntriesResponse', 1, 2, 5, { index: 3 })

  test.each([
    ['a vote', vote, logOf([], { term: 5, vote: 2, commit: 0 }), undefined],
    ['a vote of an earlier term', vote, logOf([], { term: 6, vote: 0, commit: 0 }), undefined],
    ['a vote that is not on disk', vote, logOf([], { term: 5, vote: 0, commit: 0 }), 'voteNotDurable'],
    ['a vote before anything is on disk', vote, undefined, 'voteNotDurable'],
    ['a request for votes', request, logOf([], { term: 5, vote: 1, commit: 0 }), undefined],
    ['a request before the own vote is on disk', request, logOf([], { term: 4, vote: 1, commit: 0 }), 'voteNotDurable'],
    ['an acknowledgement', acknowledgement, logOf([5, 5, 5], { term: 5, vote: 0, commit: 0 }), undefined],
    ['one of an older term', acknowledgement, logOf([5], { term: 6, vote: 0, commit: 0 }), undefined],
    ['one before its entry', acknowledgement, logOf([5, 5], { term: 5, vote: 0, commit: 0 }), 'acknowledgedEarly'],
    ['one before its term', acknowledgement, logOf([4, 4, 4], { term: 4, vote: 0, commit: 0 }), 'acknowledgedEarly'],
  ])('is judged by what lies on its disk: %s', (_, message, log, kind) => {
    expect(kindOf((checker) => sends(checker, message, log))).toBe(kind)
  })

  test('is one vote in a term, whatever the disk says by then', () => {
    const log = logOf([], { term: 6, vote: 0, commit: 0 })
    const kind = kindOf((checker) => {
      sends(checker, vote, log)
      sends(checker, vote, log)
      sends(checker, { ...vote, to: 3 }, log)
    })
    expect(kind).toBe('twoVotes')
  })
})

describe('what is applied', () => {
  test('is durable where it is applied', () => {
    expect(kindOf((checker) => checker.applied(GROUP, 2, 5, logOf([5])))).toBe('appliedBeforeDurable')
  })

  test('is the same entry on every replica', () => {
    const kind = kindOf((checker) => {
      checker.applied(GROUP, 1, 5, logOf([5]))
      checker.applied(GROUP, 1, 6, logOf([6]))
    })
    expect(kind).toBe('appliedTwice')
  })

  test('does and answers the same on every replica', () => {
    const kind = kindOf((checker) => {
      checker.command(GROUP, 7, 0, 'stored')
      checker.command(GROUP, 7, 1, 'stored')
      checker.command(GROUP, 7, 0, 'refused')
    })
    expect(kind).toBe('stateMachine')
  })
})

describe('a leader', () => {
  const who = { replica: 1, life: 1 }

  test('is the only one of its term', () => {
    const kind = kindOf((checker) => {
      checker.leads(GROUP, 5, who, logOf([]))
      checker.leads(GROUP, 5, who, logOf([]))
      checker.leads(GROUP, 5, { replica: 2, life: 1 }, logOf([]))
    })
    expect(kind).toBe('twoLeaders')
  })

  test.each([
    ['what is committed', [1, 1, 1], undefined],
    ['another entry in its place', [1, 1, 2], 'leaderIncomplete'],
    ['less than that', [1, 1], 'leaderIncomplete'],
  ])('has in its log %s', (_, terms, kind) => {
    const run = (checker: RaftChecker) => {
      for (const index of [1, 2, 3]) checker.applied(GROUP, index, 1, logOf([1, 1, 1]))
      checker.leads(GROUP, 4, who, logOf(terms))
    }
    expect(kindOf(run)).toBe(kind)
  })

  test('of an earlier term need not have what a later one committed', () => {
    const kind = kindOf((checker) => {
      checker.applied(GROUP, 1, 5, logOf([5]))
      checker.leads(GROUP, 4, who, logOf([]))
    })
    expect(kind).toBeUndefined()
  })
})
