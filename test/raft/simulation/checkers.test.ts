/** The checkers of the simulations notice what they are there for: each is shown one run that is right and one that is not. */
import { describe, expect, test } from 'vitest'
import type { ConfState, Entry } from '../../../src/base/log-entry.ts'
import type { Progress, RaftStatus } from '../../../src/raft/types.ts'
import { votersOf } from '../harness/entries.ts'
import { MemoryLog } from '../harness/memory-log.ts'
import { ConfChecker } from './conf-checker.ts'
import { CoreChecker } from './core-checker.ts'
import { HardStateChecker } from './hard-state-checker.ts'
import { LeaderChecker } from './leader-checker.ts'
import { LogChecker } from './log-checker.ts'

const GROUP = 1

/** What `run` makes a checker say, by kind. */
function kindsOf(run: (fail: (kind: string) => void) => void): string[] {
  const kinds: string[] = []
  run((kind) => kinds.push(kind))
  return kinds
}

function entry(term: number, index: number, type: Entry['type'] = 'normal', data = 'x'): Entry {
  return { term, index, type, data: new TextEncoder().encode(data) }
}

function logOf(hard: { term: number; vote: number; commit: number }, ...entries: Entry[]): MemoryLog {
  const log = new MemoryLog()
  log.hard = hard
  log.append(entries)
  return log
}

describe('logs', () => {
  const behind = (term: number) => () => term

  test.each([
    ['another payload', entry(2, 5, 'normal', 'y'), 1],
    ['another predecessor', entry(2, 5), 2],
    ['another type', entry(2, 5, 'confChange'), 1],
  ])('in which one index and term have %s differ', (_, second, previous) => {
    const kinds = kindsOf((fail) => {
      const checker = new LogChecker(fail)
      checker.hands(1, { group: GROUP, entries: [entry(2, 5)] }, behind(1), 4)
      checker.hands(2, { group: GROUP, entries: [entry(2, 5)] }, behind(1), 4)
      checker.hands(3, { group: GROUP, entries: [second] }, behind(previous), 4)
    })
    expect(kinds).toEqual(['logsDiffer'])
  })

  test('are noticed when they have a gap', () => {
    const run = (fail: (kind: string) => void) =>
      new LogChecker(fail).hands(1, { group: GROUP, entries: [entry(1, 3)] }, () => undefined, 0)
    expect(kindsOf(run)).toEqual(['logGap'])
  })

  test.each([
    [1, []],
    [0, ['twoChanges']],
  ])('with changes of membership at 1 and 2 and commit index %i are judged by it', (commit, expected) => {
    const kinds = kindsOf((fail) => {
      const checker = new LogChecker(fail)
      const entries = [entry(1, 1, 'confChange'), entry(1, 2, 'confChange')]
      checker.hands(1, { group: GROUP, entries }, () => 0, commit)
    })
    expect(kinds).toEqual(expected)
  })

  test('that are opened hold what was handed to them, and no second change behind what they call committed', () => {
    const entries = [entry(1, 1, 'confChange'), entry(1, 2, 'confChange')]
    const kinds = kindsOf((fail) => {
      const checker = new LogChecker(fail)
      checker.hands(1, { group: GROUP, entries }, () => 0, 1)
      checker.opens(1, GROUP, logOf({ term: 1, vote: 0, commit: 1 }, ...entries))
      checker.opens(1, GROUP, logOf({ term: 1, vote: 0, commit: 0 }, ...entries))
      checker.opens(1, GROUP, logOf({ term: 1, vote: 0, commit: 1 }, entry(1, 1)))
    })
    expect(kinds).toEqual(['twoChanges', 'logChanged'])
  })
})

describe('configurations', () => {
  const joint = (voters: number[], votersOutgoing: number[]): ConfState => ({ ...votersOf(...voters), votersOutgoing })

  test.each([
    ['one voter more', votersOf(1, 2, 3), votersOf(1, 2, 3, 4), []],
    ['two voters more', votersOf(1, 2, 3), votersOf(1, 2, 3, 4, 5), ['quorumsApart']],
    ['all others, by a joint one', votersOf(1, 2, 3), joint([4, 5, 6], [1, 2, 3]), []],
    ['all others, out of a joint one', joint([4, 5, 6], [1, 2, 3]), votersOf(4, 5, 6), []],
    ['out of a joint one to its other half', joint([4, 5, 6], [1, 2, 3]), votersOf(1, 2, 7), ['quorumsApart']],
  ])('that follow each other share a member of any two quorums: %s', (_, first, second, expected) => {
    const kinds = kindsOf((fail) => {
      const checker = new ConfChecker(fail)
      checker.under(GROUP, 0, first)
      checker.under(GROUP, 7, second)
    })
    expect(kinds).toEqual(expected)
  })

  test('are the same for every replica at every index', () => {
    const kinds = kindsOf((fail) => {
      const checker = new ConfChecker(fail)
      checker.under(GROUP, 0, votersOf(1, 2, 3))
      checker.under(GROUP, 7, votersOf(1, 2))
      checker.under(GROUP, 6, votersOf(1, 2, 3))
      checker.under(GROUP, 8, votersOf(1, 2))
      checker.under(GROUP, 6, votersOf(1, 2))
    })
    expect(kinds).toEqual(['confDiffers'])
  })

  test('older than the last but one elect nobody', () => {
    const kinds = kindsOf((fail) => {
      const checker = new ConfChecker(fail)
      checker.under(GROUP, 0, votersOf(1, 2, 3))
      checker.under(GROUP, 7, votersOf(1, 2, 3, 4))
      checker.elected(GROUP, 3)
      checker.under(GROUP, 9, votersOf(2, 3, 4))
      checker.elected(GROUP, 7)
      checker.elected(GROUP, 3)
    })
    expect(kinds).toEqual(['electedUnderOldConf'])
  })
})

describe('a core', () => {
  const status: RaftStatus = {
    ...{ id: 1, term: 2, vote: 1, commit: 3, applied: 3, lastIndex: 4, leader: 1, role: 'leader' },
    ...{ transferee: 0, needsSnapshot: false, confState: votersOf(1, 2, 3), timeoutTicks: 10 },
  }
  const peer: Progress = {
    ...{ id: 2, match: 3, next: 4, state: 'replicate', pendingSnapshot: 0, recentActive: true, paused: false },
    ...{ learner: false, stateLost: false, awaitsSnapshot: false, inflight: 0, inflightBytes: 0, inflightFull: false },
  }
  const whole = [entry(1, 1), entry(1, 2), entry(2, 3), entry(2, 4)]
  const logs = new Map([
    [1, logOf({ term: 2, vote: 1, commit: 3 }, ...whole)],
    [2, logOf({ term: 2, vote: 0, commit: 3 }, ...whole.slice(0, 3))],
    [3, logOf({ term: 2, vote: 0, commit: 2 }, ...whole.slice(0, 2))],
  ])
  const windows = { inflightAppends: 2, inflightBytes: 100, messageBytes: 50 }

  /** Kinds found in looks at one replica, one after another. */
  function looks(...cores: (Partial<RaftStatus> & { progress?: Partial<Progress>; life?: number })[]): string[] {
    return kindsOf((fail) => {
      const checker = new CoreChecker(fail, windows)
      for (const { progress, life = 1, ...rest } of cores) {
        const looker = {
          ...{ group: GROUP, life, isGone: () => false },
          termAt: (index: number) => whole[index - 1]?.term,
          logOf: (replica: number) => logs.get(replica),
        }
        const peers = progress === undefined ? [] : [{ ...peer, ...progress }]
        checker.look(looker, { status: { ...status, ...rest }, progress: peers })
      }
    })
  }

  test('that does everything right is let be', () => {
    expect(looks({}, { progress: {} }, { commit: 3, applied: 3, lastIndex: 5 })).toEqual([])
    expect(looks({}, { life: 2, role: 'follower', term: 1, commit: 1, applied: 1 })).toEqual([])
  })

  test.each([
    ['its term', { term: 1 }],
    ['its vote', { vote: 2 }],
    ['its commit index', { commit: 2, applied: 2 }],
    ['what it applied', { applied: 2 }],
  ])('takes nothing back in one life: %s', (_, back) => {
    expect(looks({ role: 'follower' }, { role: 'follower', ...back }).slice(1)).toEqual(['goesBack'])
  })

  test('applies nothing uncommitted and commits nothing that it lacks', () => {
    expect(looks({ applied: 4 })).toEqual(['appliedUncommitted'])
    expect(looks({ lastIndex: 2 })).toEqual(['appliedUncommitted'])
  })

  test('runs and leads only as a voter with a state', () => {
    expect(looks({ confState: votersOf(2, 3), role: 'candidate' })).toContain('unfitRole')
    expect(looks({ needsSnapshot: true })).toEqual(['unfitRole'])
  })

  test('calls committed what lies on the disks of a quorum, of both halves of a joint configuration', () => {
    expect(looks({ commit: 4 })).toEqual(['notOnQuorum'])
    expect(looks({ confState: { ...votersOf(1, 2), votersOutgoing: [1, 3] } })).toEqual(['notOnQuorum'])
  })

  test('that follows calls nothing committed before a leader does', () => {
    expect(looks({ role: 'follower' })).toEqual(['committedByNobody'])
    expect(looks({ commit: 2, applied: 2 }, { role: 'follower' })).toEqual([])
    expect(looks({ commit: 2, applied: 2 }, { role: 'follower', life: 2 })).toEqual(['committedByNobody'])
  })

  test('that leads commits older terms with an entry of its own (§5.4.2)', () => {
    expect(looks({ commit: 1, applied: 1 }, { commit: 2, applied: 1 })).toEqual(['oldTermCommitted'])
    expect(looks({ commit: 1, applied: 1 }, { commit: 3, applied: 1 })).toEqual([])
  })

  test.each<Partial<Progress>>([
    { match: 3, next: 3 },
    { match: -1 },
    { next: 6 },
    { state: 'snapshot', pendingSnapshot: 4 },
    { pendingSnapshot: 3 },
    { inflight: 3 },
    { inflightBytes: 150 },
  ])('thinks of a follower only what can be: %o', (progress) => {
    expect(looks({ progress })).toEqual(['progress'])
  })

  test('believes a follower to have what is on its disk', () => {
    expect(looks({ progress: { match: 4, next: 5 } })).toEqual(['matchBeyondDisk'])
    expect(looks({ progress: { id: 3 } })).toEqual(['matchBeyondDisk'])
  })
})

describe('what a leader writes', () => {
  const leader = { role: 'leader', term: 2, applied: 0 } as RaftStatus

  test('is never written again in its term', () => {
    const write = (index: number) => ({ group: GROUP, replica: 1, entries: [entry(2, index)] })
    const kinds = kindsOf((fail) => {
      const checker = new LeaderChecker(fail, 1000)
      checker.writes(write(1), leader)
      checker.writes(write(2), leader)
      checker.writes(write(2), leader)
    })
    expect(kinds).toEqual(['leaderRewrites'])
  })

  test('and is not applied stays within its bound, one large entry apart', () => {
    const write = (index: number, data: string) => ({
      ...{ group: GROUP, replica: 1, entries: [entry(2, index, 'normal', data)] },
    })
    const kinds = kindsOf((fail) => {
      const checker = new LeaderChecker(fail, 10)
      checker.writes(write(1, 'a large one that is alone'), leader)
      checker.writes(write(2, ''), leader)
      checker.writes(write(3, '12345'), { ...leader, applied: 2 })
      checker.writes(write(4, '123456'), { ...leader, applied: 2 })
    })
    expect(kinds).toEqual(['uncommittedBytes'])
  })
})

describe('a hard state', () => {
  const of = { group: GROUP, replica: 1 }

  test.each([
    ['term', { term: 1, vote: 2, commit: 3 }, 'hardStateBack'],
    ['commit index', { term: 2, vote: 2, commit: 2 }, 'hardStateBack'],
    ['vote', { term: 2, vote: 3, commit: 3 }, 'doubleVote'],
  ])('never takes its %s back, in a life or over a restart', (_, next, kind) => {
    const hard = { term: 2, vote: 2, commit: 3 }
    const run = (again: (checker: HardStateChecker) => void) =>
      kindsOf((fail) => {
        const checker = new HardStateChecker(fail)
        checker.durable({ ...of, hard })
        checker.reopened(of, hard)
        again(checker)
      })
    expect(run((checker) => checker.durable({ ...of, hard: next }))).toEqual([kind])
    expect(run((checker) => checker.reopened(of, next))).toEqual(['hardStateLost'])
  })

  test('of a removed replica is written no more', () => {
    const kinds = kindsOf((fail) => {
      const checker = new HardStateChecker(fail)
      checker.durable({ ...of, removed: true })
      checker.durable({ ...of, hard: { term: 1, vote: 0, commit: 0 } })
    })
    expect(kinds).toEqual(['idUsedAgain'])
  })
})
