import { expect, test } from 'vitest'
import type { ConfChangeStep } from '../../src/raft/conf-change.ts'
import type { Member } from '../../src/replication/group.ts'
import { Cluster, GROUP, type Node, type Outcome } from './cluster.ts'

const NEW: Member = { replica: 40, node: 4 }

async function change(cluster: Cluster, leader: Node, steps: ConfChangeStep[], added: Member[] = []): Promise<Outcome> {
  const outcomes: Outcome[] = []
  leader.multi.changeMembers(GROUP, { steps, added }, (outcome) => outcomes.push(outcome as Outcome))
  await cluster.time.until(() => outcomes.length > 0, 5000)
  const [outcome] = outcomes
  if (outcome === undefined) throw new Error('no outcome')
  return outcome
}

test('a replica is replaced: the new one learns, votes, and the old one goes, with nothing lost', async () => {
  const cluster = await Cluster.start({ limits: { checkpointBytes: 2000, walRetainBytes: 500 } })
  const leader = await cluster.leader()
  const values = Array.from({ length: 40 }, (_, i) => `${i}-${'x'.repeat(200)}`)
  for (const value of values) await cluster.propose(leader, value)
  const [old] = cluster.others(leader)
  if (old === undefined) throw new Error('no follower')

  const fourth = cluster.add()
  await cluster.time.during(fourth.startJoining(cluster.spec(1).members.slice(0, 3)))
  fourth.multi.setMembers(GROUP, cluster.spec(1).members)
  expect(await change(cluster, leader, [{ type: 'addLearner', replica: 40 }], [NEW])).toMatchObject({ type: 'applied' })
  expect(leader.handle.members).toContainEqual(NEW)
  await cluster.time.until(() => fourth.handle.status().applied >= leader.handle.status().commit, 10_000)
  const swap: ConfChangeStep[] = [
    { type: 'addVoter', replica: 40 },
    { type: 'remove', replica: old.handle.replica },
  ]
  expect(await change(cluster, leader, swap)).toMatchObject({ type: 'applied' })
  await cluster.time.run(1000)
  expect(leader.handle.members.map(({ node }) => node)).not.toContain(old.id)
  await cluster.time.during(old.multi.remove(GROUP))
  old.crash()

  leader.crash()
  const rest = [fourth, ...cluster.others(leader).filter((node) => node !== old && node !== fourth)]
  const next = await cluster.leader(rest)
  await cluster.propose(next, 'after')
  await cluster.settled(rest)
  for (const node of rest) expect(await node.texts()).toEqual([...values, 'after'])
})

test.each([0, 3, 8, 20, 60])(
  'a replica is replaced under a cut and a kill of the leader %i ms into the change: nothing acknowledged is lost',
  async (ms) => {
    const cluster = await Cluster.start({ limits: { checkpointBytes: 2000, walRetainBytes: 500 } })
    const leader = await cluster.leader()
    const asked: { readonly value: string; readonly outcomes: readonly Outcome[] }[] = []
    const ask = (node: Node) => {
      const value = `${asked.length}-${'x'.repeat(200)}`
      asked.push({ value, outcomes: cluster.ask(node, value).outcomes })
      return cluster.time.run(1)
    }
    for (let i = 0; i < 40; i++) await ask(leader)
    await cluster.settled()
    const [old, other] = cluster.others(leader)
    if (old === undefined || other === undefined) throw new Error('three nodes')
    const fourth = cluster.add()
    await cluster.time.during(fourth.startJoining(cluster.spec(1).members.slice(0, 3)))
    fourth.multi.setMembers(GROUP, cluster.spec(1).members)
    await change(cluster, leader, [{ type: 'addLearner', replica: 40 }], [NEW])
    const swap: ConfChangeStep[] = [
      { type: 'addVoter', replica: 40 },
      { type: 'remove', replica: old.handle.replica },
    ]
    // The new one is cut off: what is acknowledged from here on needs the old ones.
    cluster.network.isolate(fourth.id, [leader.id, other.id])
    leader.multi.changeMembers(GROUP, { steps: swap, added: [NEW] }, () => undefined)
    const untilMs = cluster.time.nowMs + ms
    while (cluster.time.nowMs < untilMs) await ask(leader)
    leader.crash()
    const rest = [old, other, fourth]
    cluster.network.heal()
    const next = await cluster.leader(rest)
    for (let i = 0; i < 20; i++) await ask(next)
    await leader.restart()
    const isReplaced = () => {
      const members = cluster.nodes.find(({ leads }) => leads)?.handle.members ?? []
      return members.length === 3 && !members.some(({ node }) => node === old.id)
    }
    if (!isReplaced()) {
      await cluster.settled()
      const again = await cluster.leader()
      if (again === old) again.handle.transferLeadership(other.handle.replica)
      await cluster.time.run(3000)
      await change(cluster, await cluster.leader(), swap, [NEW])
    }
    await cluster.time.until(isReplaced, 20_000, 'the replacement')
    await cluster.time.until(() => asked.slice(-20).every(({ outcomes }) => outcomes.length > 0), 20_000, 'answers')
    const members = [leader, other, fourth]
    await cluster.settled(members)
    const stored = await members[0]?.texts()
    for (const node of members) expect(await node.texts()).toEqual(stored)
    const applied = asked.filter(({ outcomes }) => outcomes[0]?.type === 'applied')
    expect(applied.length).toBeGreaterThan(40)
    for (const { value } of applied) expect(stored?.filter((text) => text === value)).toHaveLength(1)
  },
)

test('a second change is refused while the first is not applied, and changes nothing', async () => {
  const cluster = await Cluster.start()
  const leader = await cluster.leader()
  const outcomes: unknown[] = []
  const steps: ConfChangeStep[] = [{ type: 'addLearner', replica: 40 }]
  leader.multi.changeMembers(GROUP, { steps, added: [NEW] }, (outcome) => outcomes.push(outcome))
  const remove: ConfChangeStep[] = [{ type: 'remove', replica: 10 }]
  expect(await change(cluster, leader, remove)).toEqual({ type: 'refused', reason: 'OVERLOADED' })
  await cluster.time.until(() => outcomes.length > 0, 1000)
  expect(leader.handle.members).toHaveLength(4)
})

test('a leader that is to leave hands over before the change, which its heir takes', async () => {
  for (const demote of [false, true]) {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    const { replica } = leader.handle
    const steps: ConfChangeStep[] = [{ type: demote ? 'addLearner' : 'remove', replica }]
    expect(await change(cluster, leader, steps)).toEqual({ type: 'refused', reason: 'NOT_LEADER' })
    const next = await cluster.leader(cluster.others(leader))
    const { term } = next.handle.status()
    expect(await change(cluster, next, steps)).toMatchObject({ type: 'applied' })
    await cluster.time.run(2000)
    expect([next.leads, next.handle.status().term]).toEqual([true, term])
    expect(await cluster.propose(next, 'on')).toMatchObject({ type: 'applied' })
  }
})

test('a change that could never be made is refused for good', async () => {
  const cluster = await Cluster.start()
  const leader = await cluster.leader()
  const steps = [10, 20, 30].map((replica): ConfChangeStep => ({ type: 'remove', replica }))
  expect(await change(cluster, leader, steps)).toEqual({ type: 'refused', reason: 'INVALID' })
  expect(leader.handle.members).toHaveLength(3)
})

test('a change asked of a follower, or of a node without a replica, is refused', async () => {
  const cluster = await Cluster.start()
  const leader = await cluster.leader()
  const [follower] = cluster.others(leader)
  if (follower === undefined) throw new Error('no follower')
  const refused = { type: 'refused', reason: 'NOT_LEADER' }
  expect(await change(cluster, follower, [{ type: 'remove', replica: 10 }])).toEqual(refused)
  const outcomes: unknown[] = []
  leader.multi.changeMembers(99, { steps: [], added: [] }, (outcome) => outcomes.push(outcome))
  expect(outcomes).toEqual([refused])
})
