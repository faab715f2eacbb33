import { describe, expect, test } from 'vitest'
import { CHANNELS_MAX, GROUPS_MAX, SESSIONS_MAX } from '../../../src/base/limits.ts'
import type { GroupStart } from '../../../src/views/timer/commands.ts'
import { G, PartitionDriver, text } from './partition-driver.ts'

describe('the start of a group', () => {
  const starts: readonly (readonly [string, GroupStart, readonly [number, number]])[] = [
    ['earliest: before everything', { type: 'earliest' }, [0, 0]],
    ['latest: behind everything due by now', { type: 'latest' }, [1_005, 3]],
    ['a position: just behind it', { type: 'position', position: { due: 1_000, index: 1 } }, [1_000, 1]],
    [
      'a time ahead: cut to now, lest messages were skipped',
      { type: 'position', position: { due: 1_006, index: 0 } },
      [1_005, 3],
    ],
    ['an index ahead: cut to the last one', { type: 'position', position: { due: 1_005, index: 9 } }, [1_005, 3]],
    [
      'an index ahead at a time that is past: cut as well, lest the next message sorts below it',
      { type: 'position', position: { due: 900, index: 9 } },
      [900, 3],
    ],
  ]
  test.each(starts)('%s', (_, start, [due, index]) => {
    const p = new PartitionDriver()
    p.produce(0, 3, 9)
    p.pass(5)
    expect(p.attach('s', 'c', start)).toEqual({ type: 'attached', cursor: { due, index }, kept: [] })
    expect(p.g.cursor).toEqual({ due, index })
    expect(p.produce(0)).toHaveLength(1)
  })

  test('an existing group keeps its cursor', () => {
    const p = new PartitionDriver()
    p.attach('s')
    p.deliver('s', p.produce(0))
    expect(p.attach('t', 't', { type: 'earliest' })).toMatchObject({ cursor: { due: 1_000, index: 1 } })
  })

  test('what lies above the cursor is counted, except for a group that began in the midst', () => {
    const p = new PartitionDriver()
    p.attach('s')
    const positions = p.produce(0, 0, 50)
    p.deliver('s', positions.slice(0, 1))
    expect(p.g.pending).toBe(2)
    p.apply({
      type: 'attach',
      channel: 'master',
      group: 'late',
      consumer: 'c',
      session: 's',
      start: { type: 'latest' },
    })
    expect(p.view.group({ channel: 'master', group: 'late' })?.pending).toBeUndefined()
  })
})

describe('sessions', () => {
  test('a new session of the same consumer replaces the old one, whose leases return at once', () => {
    const p = new PartitionDriver()
    p.attach('old', 'c')
    p.attach('other', 'd')
    const items = p.deliver('old', p.produce(0, 0))
    expect(p.attach('new', 'c')).toMatchObject({ type: 'attached', kept: [] })
    expect(p.effects).toEqual([
      { type: 'sessionReplaced', ...G, session: 'old' },
      { type: 'groupChanged', ...G },
    ])
    expect(p.ready()).toEqual([1, 2])
    expect(p.ack(items)).toEqual([0, 1])
    expect(p.g.sessions().map((session) => session.session)).toEqual(['other', 'new'])
  })

  test('a replaced session cannot take its name back by reattaching', () => {
    const p = new PartitionDriver()
    p.attach('old', 'c')
    const items = p.deliver('old', p.produce(0))
    p.attach('new', 'c')
    expect(p.attach('old', 'c', { type: 'earliest' }, items)).toMatchObject({ type: 'stale' })
    expect(p.g.sessions().map((session) => session.session)).toEqual(['new'])
  })

  test('a session that was given up reattaches while its name is free, without its leases', () => {
    const p = new PartitionDriver()
    p.attach('s')
    const items = p.deliver('s', p.produce(0))
    p.apply({ type: 'detach', ...G, session: 's' })
    expect(p.attach('s', 's', { type: 'earliest' }, items)).toMatchObject({ type: 'attached', kept: [] })
    expect(p.ready()).toEqual([1])
  })

  test('reattaching keeps the leases it lists, in that order, and returns the others at once', () => {
    const p = new PartitionDriver()
    p.attach('s')
    p.attach('t')
    const positions = p.produce(0, 0, 0, 0)
    const [a, b, c] = p.deliver('s', positions.slice(0, 3))
    const [other] = p.deliver('t', positions.slice(3))
    if (!a || !b || !c || !other) throw new Error('four were delivered')
    const stale = { index: b.index, fence: b.fence - 1 }
    const deadline = p.at + 100
    p.pass(5)
    expect(p.attach('s', 's', { type: 'earliest' }, [c, a, stale, other, { index: 99, fence: 1 }])).toMatchObject({
      kept: [
        { ...c, deadline },
        { ...a, deadline },
      ],
    })
    expect(p.ready()).toEqual([2])
    expect(p.ack([a, c, other])).toEqual([])
  })

  test('attaching anew under the same session gives all its leases back', () => {
    const p = new PartitionDriver()
    p.attach('s')
    p.deliver('s', p.produce(0, 0))
    expect(p.attach('s')).toMatchObject({ type: 'attached', kept: [] })
    expect(p.ready()).toEqual([1, 2])
    expect(p.g.sessions()).toHaveLength(1)
  })

  test('a session belongs to one consumer', () => {
    const p = new PartitionDriver()
    p.attach('s', 'c')
    p.deliver('s', p.produce(0))
    expect(p.attach('s', 'd')).toMatchObject({ type: 'stale' })
    expect(p.g.leased).toBe(1)
  })

  test('a detached session is gone and its leases return at once; again is no harm', () => {
    const p = new PartitionDriver()
    p.attach('s')
    p.deliver('s', p.produce(0, 0))
    expect(p.apply({ type: 'detach', ...G, session: 's' })).toEqual({ type: 'detached' })
    expect(p.effects).toEqual([{ type: 'groupChanged', ...G }])
    expect([p.g.sessions().length, p.ready()]).toEqual([0, [1, 2]])
    expect(p.apply({ type: 'detach', ...G, session: 's' })).toEqual({ type: 'detached' })
    expect(p.effects).toEqual([])
  })

  test('each session knows how many leases it has', () => {
    const p = new PartitionDriver()
    p.attach('s')
    p.attach('t')
    const positions = p.produce(0, 0, 0)
    p.deliver('s', positions.slice(0, 2))
    p.ack(p.deliver('t', positions.slice(2)))
    expect(p.g.sessions()).toEqual([
      { consumer: 's', session: 's', leased: 2 },
      { consumer: 't', session: 't', leased: 0 },
    ])
    expect([...p.g.leases('s')].map((lease) => lease.index).sort()).toEqual([1, 2])
  })
})

describe('bounds', () => {
  test('a group has at most so many sessions; replacing one needs no room', () => {
    const p = new PartitionDriver()
    for (let i = 0; i < SESSIONS_MAX; i++) p.attach(`s${i}`)
    expect(p.attach('one more')).toEqual({ type: 'tooMany', what: 'sessions' })
    expect(p.attach('instead', 's0')).toMatchObject({ type: 'attached' })
    expect(p.attach('s1', 's1', { type: 'earliest' }, [])).toMatchObject({ type: 'attached' })
    expect(p.g.sessions()).toHaveLength(SESSIONS_MAX)
  })

  test('a channel has at most so many groups', () => {
    const p = new PartitionDriver()
    const attach = (i: number) =>
      p.apply({
        type: 'attach',
        channel: 'master',
        group: `g${i}`,
        consumer: 'c',
        session: 's',
        start: { type: 'earliest' },
      })
    for (let i = 0; i < GROUPS_MAX; i++) attach(i)
    expect(attach(GROUPS_MAX)).toEqual({ type: 'tooMany', what: 'groups' })
    expect(attach(0)).toMatchObject({ type: 'attached' })
    expect([...p.view.groups()]).toHaveLength(GROUPS_MAX)
  })

  test('a group may open a channel only while there is room', () => {
    const p = new PartitionDriver()
    const messages = Array.from({ length: CHANNELS_MAX }, (_, i) => ({ channel: `c${i}`, body: text('x') }))
    p.expect('produced', { type: 'produce', messages })
    expect(p.attach('s')).toEqual({ type: 'tooMany', what: 'channels' })
    expect(p.view.channels()).toHaveLength(CHANNELS_MAX)
  })
})
