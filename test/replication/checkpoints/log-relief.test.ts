import { expect, test } from 'vitest'
import type { GroupId } from '../../../src/base/ids.ts'
import { LogRelief } from '../../../src/replication/checkpoints/log-relief.ts'

/** A shard where every group is old until its checkpoint ends, and `refusing` ones cannot be checkpointed. */
function shard(groups: number, refusing: (group: GroupId) => boolean = () => false) {
  const old = new Set(Array.from({ length: groups }, (_, i) => i + 1))
  const running = new Set<GroupId>()
  const asked: GroupId[] = []
  const relief = new LogRelief({
    wal: { laggards: () => [...old] },
    relieve: (group) => {
      asked.push(group)
      if (refusing(group)) return false
      running.add(group)
      return true
    },
    relieving: (group) => running.has(group),
  })
  const end = (group: GroupId) => {
    running.delete(group)
    old.delete(group)
    relief.note({ type: 'checkpointed', group, index: 1, ms: 1 })
  }
  return { old, running, asked, relief, end }
}

test('a thousand groups that are due at once are checkpointed eight at a time, each once, without another look', () => {
  const { old, running, asked, relief, end } = shard(1000)
  relief.look()
  let most = 0
  for (;;) {
    most = Math.max(most, running.size)
    const [group] = running
    if (group === undefined) break
    end(group)
  }
  expect([most, old.size, asked.length]).toEqual([8, 0, 1000])
})

test('groups that cannot be checkpointed, or stop on the way, keep nobody waiting', () => {
  const { old, running, relief, end } = shard(40, (group) => group <= 20)
  relief.look()
  expect([...running]).toEqual([21, 22, 23, 24, 25, 26, 27, 28])
  running.clear()
  relief.look()
  expect(running.size).toBe(8)
  for (let group = 21; group <= 40; group++) if (running.has(group)) end(group)
  expect([...old].filter((group) => group > 20)).toEqual([])
})

test('a checkpoint that fails makes room for the next', () => {
  const { running, relief } = shard(10)
  relief.look()
  running.delete(1)
  relief.note({ type: 'checkpointFailed', group: 1, error: new Error('no room') })
  expect(running.size).toBe(8)
})
