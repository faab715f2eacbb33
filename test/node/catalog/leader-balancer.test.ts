import { beforeEach, describe, expect, test } from 'vitest'
import { LeaderBalancer } from '../../../src/node/catalog/leader-balancer.ts'
import type { LocalReplica } from '../../../src/node/catalog/local-replicas.ts'
import type { GroupStatus } from '../../../src/replication/group.ts'
import { VirtualTime } from '../../virtual-env.ts'

/** A replica that leads, and stays leader whatever is asked of it. */
class Leading implements LocalReplica {
  readonly group: number
  readonly members = [
    { replica: 20, node: 2 },
    { replica: 10, node: 1 },
  ]
  readonly asked: number[] = []
  match = 100
  term = 1
  role: GroupStatus['role'] = 'leader'
  readonly #time: VirtualTime

  constructor(time: VirtualTime, group: number) {
    this.#time = time
    this.group = group
  }

  status(): GroupStatus {
    const { role, term } = this
    const match = new Map([[20, this.match]])
    return { role, term, leaderReplica: 10, leaderNode: 1, ready: true, commit: 100, applied: 100, lastAt: 0, match }
  }

  transferLeadership(): void {
    this.asked.push(this.#time.nowMs)
  }
}

describe('leader balancer', () => {
  let time: VirtualTime
  let replicas: Leading[]
  let mayLead: boolean
  let balancer: LeaderBalancer

  const run = async (ms: number) => {
    for (let past = 0; past < ms; past += 200) {
      balancer.tick()
      await time.run(200)
    }
  }

  beforeEach(() => {
    time = new VirtualTime()
    replicas = [new Leading(time, 1001)]
    mayLead = true
    balancer = new LeaderBalancer({
      env: time.env(),
      self: 1,
      leading: () => replicas,
      partitionOf: (group) => ({
        topic: 't',
        id: 0,
        group,
        replicas: [
          { replica: 20, node: 2 },
          { replica: 10, node: 1 },
        ],
      }),
      mayLead: () => mayLead,
    })
  })

  test('a leadership goes home once its leader has settled', async () => {
    await run(4000)
    expect(replicas[0]?.asked).toEqual([2000])
  })

  test('a new term counts anew', async () => {
    await run(1600)
    for (const replica of replicas) replica.term = 2
    await run(2500)
    expect(replicas[0]?.asked).toEqual([3600])
  })

  test('never to a node that is not well or lacks entries', async () => {
    mayLead = false
    await run(10_000)
    mayLead = true
    for (const replica of replicas) replica.match = 99
    await run(10_000)
    expect(replicas[0]?.asked).toEqual([])
  })

  test('a try that came to nothing is repeated later and later', async () => {
    await run(60_000)
    expect(replicas[0]?.asked).toEqual([2000, 7000, 17_000, 37_000])
  })

  test('many go one at a time', async () => {
    replicas = Array.from({ length: 8 }, (_, i) => new Leading(time, 1001 + i))
    await run(4500)
    const asked = replicas.flatMap((replica) => replica.asked).sort((a, b) => a - b)
    expect(asked).toEqual([2000, 2200, 2400, 2600, 2800, 3000, 3200, 3400])
  })

  test('of a thousand leaders some are looked at each time, and all in their turn', async () => {
    replicas = Array.from({ length: 1000 }, (_, i) => new Leading(time, 1001 + i))
    let asked = 0
    for (const replica of replicas) {
      const status = replica.status.bind(replica)
      replica.status = () => {
        asked++
        return status()
      }
    }
    mayLead = false
    for (let tick = 0; tick < 4; tick++) {
      const before = asked
      await run(200)
      expect(asked - before).toBeLessThanOrEqual(256)
    }
    expect(asked).toBe(1000)
    mayLead = true
    await run(4000)
    expect(replicas.filter((replica) => replica.asked.length > 0).length).toBeGreaterThan(8)
  })

  test('a follower hands nothing over', async () => {
    for (const replica of replicas) replica.role = 'follower'
    await run(10_000)
    expect(replicas[0]?.asked).toEqual([])
  })
})
