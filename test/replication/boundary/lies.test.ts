/**
 * A node of the cluster says what no honest one does. Each lie is thrown back at the connection that it came over, with the
 * field; nobody ends, and the group goes on.
 */
import { beforeEach, describe, expect, test } from 'vitest'
import { TERM_LEAP_EVERY_MS, TERM_LEAP_MAX, TERM_STEP_MAX } from '../../../src/base/limits.ts'
import type { Entry } from '../../../src/base/log-entry.ts'
import { encodeConfChange } from '../../../src/raft/conf-change.ts'
import { makeMessage } from '../../../src/raft/state.ts'
import type { Message } from '../../../src/raft/types.ts'
import { encodeEntryData } from '../../../src/replication/entry-data.ts'
import { encodeFrame, encodeSnapshotHeader } from '../../../src/replication/frame/frame.ts'
import { encodeChunk } from '../../../src/storage/state/chunk.ts'
import type { Row } from '../../../src/storage/state/types.ts'
import { Cluster, GROUP, type Node } from '../cluster.ts'
import { text } from '../list-view.ts'

let cluster: Cluster
let leader: Node
let follower: Node

beforeEach(async () => {
  cluster = await Cluster.start()
  leader = await cluster.leader()
  follower = cluster.others(leader)[0] ?? leader
  for (const value of ['a', 'b', 'c']) await cluster.propose(leader, value)
  await cluster.settled()
})

/** What `from` says to `to`, if it is not told otherwise about itself and in the present term. */
function say(from: Node, to: Node, message: Partial<Message> & Pick<Message, 'type'>): void {
  const whole = { ...makeMessage(message.type, to.id * 10), from: from.id * 10, term: termOf(to), ...message }
  cluster.network.inject(
    to.id,
    from.id,
    encodeFrame({ clock: { wallMs: 1, stamp: 0 }, envelopes: [{ group: GROUP, message: whole }] }),
  )
}

function lie(from: Node, to: Node, message: Partial<Message> & Pick<Message, 'type'>): string | undefined {
  try {
    say(from, to, message)
    return undefined
  } catch (error) {
    return error instanceof Error && 'field' in error ? String(error.field) : String(error)
  }
}

const termOf = (node: Node) => node.handle.status().term
const coreOf = (node: Node) => {
  const { term, commit } = node.handle.status()
  return { term, commit, lastIndex: node.wal.group(GROUP)?.lastIndex() ?? 0 }
}

/** An append that follows the log of `to`, as its leader would send it. */
function following(to: Node, entry: Partial<Entry>, commit = 0) {
  const { lastIndex, term } = coreOf(to)
  const entries: Entry[] = [{ term, index: lastIndex + 1, type: 'normal', data: new Uint8Array(0), ...entry }]
  return { type: 'appendEntries', index: lastIndex, logTerm: term, commit, entries } as const
}

/** The cluster is as it was: nobody ended, the leader is the same, and it takes proposals. */
async function goesOn(): Promise<void> {
  expect(await cluster.propose(leader, 'on')).toMatchObject({ type: 'applied' })
  await cluster.settled()
  for (const node of cluster.nodes) {
    expect(node.fatal).toEqual([])
    expect(node.events.some(({ type }) => type === 'halted')).toBe(false)
  }
  expect((await follower.texts()).slice(-1)).toEqual(['on'])
}

const V1 = (rest: readonly number[]) => Uint8Array.of(1, 0, 0, 0, 0, 0, 9, ...rest)

describe('an append is refused with the field', () => {
  test.each<[what: string, entry: Partial<Entry>]>([
    ['of an unknown version', { data: Uint8Array.of(9, 9, 9) }],
    ['cut short', { data: V1([3, 1, 65]) }],
    ['with bytes left over', { data: V1([1, 1, 65, 66]) }],
    ['with a command that the view does not know', { data: encodeEntryData(9, [text('garbage')]) }],
    ['that changes the members in an unknown way', { type: 'confChange', data: Uint8Array.of(0x10, 1, 9, 20) }],
    ['that changes the members by an unknown version', { type: 'confChange', data: Uint8Array.of(0x50, 0) }],
    ['that adds nobody as a member', { type: 'confChange', data: Uint8Array.of(0x10, 1, 0, 0) }],
    [
      'that adds a member nowhere',
      {
        type: 'confChange',
        data: encodeConfChange({
          transition: 'auto',
          changes: [{ type: 'addLearner', replica: 40 }],
          context: Uint8Array.of(1, 40, 0),
        }),
      },
    ],
  ])('of an entry %s', async (_, entry) => {
    expect(lie(leader, follower, following(follower, entry, 1e9))).toBe('entries.data')
    await goesOn()
  })

  test('whose entries are of a term before, or one that its leader has not reached', async () => {
    const { term } = coreOf(follower)
    expect(lie(leader, follower, following(follower, { term: term + 1 }))).toBe('entries.term')
    expect(lie(leader, follower, { ...following(follower, { term: 1 }), logTerm: term + 1, term: term + 2 })).toBe(
      'entries.term',
    )
    expect(lie(leader, follower, { ...following(follower, {}), logTerm: term + 3 })).toBe('logTerm')
    await goesOn()
  })

  test('that contradicts what is committed', async () => {
    const { term, commit } = coreOf(follower)
    const next = { term: term + 1, type: 'appendEntries' } as const
    expect(lie(leader, follower, { ...next, index: commit, logTerm: term + 1 })).toBe('logTerm')
    const entries = [{ term: term + 1, index: commit, type: 'normal' as const, data: new Uint8Array(0) }]
    expect(lie(leader, follower, { ...next, index: commit - 1, logTerm: term, entries })).toBe('entries')
    await goesOn()
  })
})

describe('is refused with the field', () => {
  test('a heartbeat that commits what the replica does not have', async () => {
    const { lastIndex } = coreOf(follower)
    expect(lie(leader, follower, { type: 'heartbeat', commit: 1e9 })).toBe('commit')
    expect(lie(leader, follower, { type: 'heartbeat', commit: lastIndex + 1 })).toBe('commit')
    expect(lie(leader, follower, { type: 'heartbeat', commit: lastIndex })).toBeUndefined()
    await goesOn()
  })

  test('an acknowledgement of what the leader does not have, and a refusal that hints behind itself', async () => {
    const { lastIndex } = coreOf(leader)
    expect(lie(follower, leader, { type: 'appendEntriesResponse', index: lastIndex + 1 })).toBe('index')
    const refusal = { type: 'appendEntriesResponse', reject: true } as const
    expect(lie(follower, leader, { ...refusal, index: 3, rejectHint: 4 })).toBe('rejectHint')
    await goesOn()
  })

  test('an answer to a heartbeat that was never sent, or that asks for a snapshot of the future', async () => {
    expect(lie(follower, leader, { type: 'heartbeatResponse', context: 2 ** 40 })).toBe('context')
    expect(lie(follower, leader, { type: 'heartbeatResponse', reject: true, index: 1e9 })).toBe('index')
    await goesOn()
  })

  test('a candidate whose log is of the term it runs in', async () => {
    const term = termOf(follower) + 1
    expect(lie(leader, follower, { type: 'requestVote', term, logTerm: term })).toBe('logTerm')
    expect(lie(leader, follower, { type: 'requestPreVote', term, context: 2 })).toBe('context')
    await goesOn()
  })

  test('a message in the name of a replica that lives on another node', async () => {
    const other = cluster.others(leader)[1] ?? leader
    expect(lie(other, follower, { type: 'heartbeat', from: leader.id * 10 })).toBe('from')
    expect(lie(other, follower, { type: 'heartbeat', from: follower.id * 10 })).toBe('from')
    await goesOn()
  })
})

test('a message of a replica that is not known here is dropped and counted', async () => {
  expect(lie(leader, follower, { type: 'heartbeat', from: 777, commit: 1e9 })).toBeUndefined()
  expect(follower.multi.stats().dropped).toBe(1)
  await goesOn()
})

/** There is a leader of a term behind `term`. */
async function leadsBehind(term: number): Promise<void> {
  await cluster.time.until(() => cluster.nodes.some((node) => node.leads && termOf(node) > term), 60_000, 'a leader')
  leader = await cluster.leader()
  follower = cluster.others(leader)[0] ?? leader
}

describe('a term', () => {
  test('further away than a leap is refused, and believed by leaps: whoever is really there is reached', async () => {
    // To the others the deceived one, which says the truth about its term, seems to lie as well.
    cluster.network.onThrow = (error) => expect(error).toMatchObject({ field: 'term' })
    const { term } = coreOf(follower)
    const far = term + TERM_LEAP_MAX + 10
    const heartbeat = { type: 'heartbeat', term: far } as const
    expect(lie(leader, follower, heartbeat)).toBe('term')
    expect(termOf(follower)).toBe(term + TERM_LEAP_MAX)
    // Now it is only a step.
    expect(lie(leader, follower, heartbeat)).toBeUndefined()
    expect(termOf(follower)).toBe(far)
    await leadsBehind(term + 2 ** 30)
    await goesOn()
  })

  test('is not raised by leaps one after the other', async () => {
    const { term } = coreOf(follower)
    const leap = (by: number) => lie(leader, follower, { type: 'heartbeat', term: term + by })
    expect(leap(TERM_STEP_MAX)).toBeUndefined()
    expect(leap(2 ** 30)).toBeUndefined()
    expect(termOf(follower)).toBe(term + 2 ** 30)
    expect(leap(2 ** 31)).toBeUndefined()
    expect(termOf(follower)).toBe(term + 2 ** 30)
    expect(follower.multi.stats().dropped).toBe(1)
    await cluster.time.run(TERM_LEAP_EVERY_MS)
    expect(leap(2 ** 31)).toBeUndefined()
    expect(termOf(follower)).toBe(term + 2 ** 31)
    await leadsBehind(term + 2 ** 31)
    await goesOn()
  })

  test('of a vote or pre-vote that is too far away changes nothing', async () => {
    const { term } = coreOf(follower)
    for (const type of ['requestVote', 'requestPreVote'] as const) {
      expect(lie(leader, follower, { type, term: term + TERM_LEAP_MAX + 1 })).toBe('term')
      expect(termOf(follower)).toBe(term)
    }
    await goesOn()
  })
})

describe('a snapshot', () => {
  const confState = { voters: [10, 20, 30], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }
  const header = (term: number, index: number, of = term, from = leader) => {
    const named = { from: from.id * 10, term, snapshot: { index, term: of, confState } }
    const message = { ...makeMessage('installSnapshot', follower.id * 10), ...named }
    return encodeSnapshotHeader({ lastAt: 1, group: GROUP, message })
  }
  async function* chunksOf(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    yield* chunks
  }
  const chunk = (last: boolean) => encodeChunk({ number: 0, before: 0, last, rows: [] })

  test('that ends without its last chunk is never offered to the core', async () => {
    const { term, lastIndex } = coreOf(follower)
    for (const chunks of [[], [chunk(false)]]) {
      const taken = follower.multi.snapshot(leader.id, header(term, lastIndex + 9), chunksOf(...chunks))
      await expect(cluster.time.during(taken)).rejects.toMatchObject({ field: 'chunk' })
    }
    expect(coreOf(follower).lastIndex).toBe(lastIndex)
    await goesOn()
  })

  test.each<[what: string, rows: readonly Row[]]>([
    [
      'that are none of the view',
      [
        { key: 'count', value: text('0') },
        { key: 'garbage', value: text('garbage') },
      ],
    ],
    [
      'that the view cannot have together',
      [
        { key: 'count', value: text('7') },
        { key: 'row/000000000', value: text('x') },
      ],
    ],
    [
      'that are out of order',
      [
        { key: 'row/000000000', value: text('x') },
        { key: 'count', value: text('1') },
      ],
    ],
  ])('of rows %s is refused before anything is given up for it', async (_, rows) => {
    const { term, lastIndex } = coreOf(follower)
    const whole = chunksOf(encodeChunk({ number: 0, before: 0, last: true, rows }))
    const taken = follower.multi.snapshot(leader.id, header(term, lastIndex + 9), whole)
    await expect(cluster.time.during(taken)).rejects.toMatchObject({ field: 'rows' })
    expect(coreOf(follower)).toMatchObject({ term, lastIndex })
    expect(await follower.texts()).toEqual(['a', 'b', 'c'])
    await goesOn()
  })

  test('of another node, of a later term than its leader, or against what is committed is refused before a chunk', async () => {
    const { term, commit, lastIndex } = coreOf(follower)
    const refused = (bytes: Uint8Array, node = leader) =>
      expect(cluster.time.during(follower.multi.snapshot(node.id, bytes, chunksOf(chunk(true))))).rejects
    const other = cluster.others(leader)[1] ?? leader
    await refused(header(term, lastIndex + 9), other).toMatchObject({ field: 'from' })
    await refused(header(term, lastIndex + 9, term + 1)).toMatchObject({ field: 'snapshot.term' })
    await refused(header(term + 2, commit, term + 1)).toMatchObject({ field: 'snapshot.term' })
    await goesOn()
  })
})

test('a command that its view does not know is refused to whoever proposes it, before it reaches the log', async () => {
  const { lastIndex } = coreOf(leader)
  expect(await cluster.propose(leader, 'garbage')).toEqual({ type: 'refused', reason: 'INVALID' })
  expect(coreOf(leader).lastIndex).toBe(lastIndex)
  await goesOn()
})
