import { describe, expect, test } from 'vitest'
import { Cluster } from './cluster.ts'

describe('three replicas', () => {
  test('elect one leader, and a proposal is applied on all of them', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    const outcome = await cluster.propose(leader, 'a', 'b')
    expect(outcome).toMatchObject({ type: 'applied', replies: ['2:a', '2:b'] })
    await cluster.settled()
    for (const node of cluster.nodes) {
      expect(await node.texts()).toEqual(['a', 'b'])
      expect(node.handle.status().leaderNode).toBe(leader.id)
    }
    expect(cluster.nodes.filter((node) => node.leads)).toEqual([leader])
  })

  test('find a new leader after a crash that nobody noticed, within two election timeouts', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const cluster = await Cluster.start({ seed })
      const leader = await cluster.leader()
      const rest = cluster.others(leader)
      const { time } = cluster
      await time.run(1000)
      const crashedMs = time.nowMs
      leader.crash()
      await cluster.leader(rest)
      expect(time.nowMs - crashedMs).toBeLessThan(1700)
      expect(time.nowMs - crashedMs).toBeGreaterThan(300)
    }
  })

  test('find a new leader at once when the connection to it was refused', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const cluster = await Cluster.start({ seed })
      const leader = await cluster.leader()
      await cluster.time.run(1000)
      const crashedMs = cluster.time.nowMs
      leader.crash(true)
      await cluster.leader(cluster.others(leader))
      expect(cluster.time.nowMs - crashedMs).toBeLessThan(150)
    }
  })

  test('keep their leader when only one of them believes it to be gone', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    await cluster.time.run(1000)
    const { term } = leader.handle.status()
    cluster.others(leader)[0]?.multi.peerDown(leader.id)
    await cluster.time.run(3000)
    expect(leader.leads).toBe(true)
    expect(leader.handle.status().term).toBe(term)
  })

  test('move leadership on request, and the old leader follows', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    await cluster.time.run(500)
    const [next] = cluster.others(leader)
    if (next === undefined) throw new Error('no other node')
    leader.handle.transferLeadership(next.handle.replica)
    await cluster.time.until(() => next.leads && leader.handle.status().leaderNode === next.id, 2000)
    expect(leader.handle.status().role).toBe('follower')
  })

  test('one replica alone leads itself', async () => {
    const cluster = await Cluster.start({ nodes: 1 })
    const leader = await cluster.leader()
    expect(await cluster.propose(leader, 'a')).toMatchObject({ type: 'applied' })
  })

  test('a minority neither leads nor commits, and follows after the partition heals', async () => {
    const cluster = await Cluster.start()
    const old = await cluster.leader()
    const rest = cluster.others(old)
    cluster.network.isolate(
      old.id,
      rest.map(({ id }) => id),
    )
    const lost = cluster.ask(old, 'lost')
    const leader = await cluster.leader(rest)
    expect(await cluster.propose(leader, 'kept')).toMatchObject({ type: 'applied' })
    await cluster.time.until(() => lost.outcomes.length > 0, 3000)
    expect(lost.outcomes).toEqual([{ type: 'unknown' }])
    expect(old.leads).toBe(false)
    cluster.network.heal()
    await cluster.settled()
    expect(await old.texts()).toEqual(['kept'])
    expect(lost.outcomes).toHaveLength(1)
  })

  test('a node says of each other one that it is there, once, and again after it was down', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    const [other] = cluster.others(leader)
    if (other === undefined) throw new Error('no follower')
    const said = () =>
      leader.events.flatMap((event) =>
        (event.type === 'peerUp' || event.type === 'peerDown') && event.node === other.id ? [event.type] : [],
      )
    await cluster.time.run(1000)
    expect(said()).toEqual(['peerUp'])
    other.crash(true)
    await cluster.time.run(1000)
    await other.restart()
    await cluster.time.run(1000)
    expect(said()).toEqual(['peerUp', 'peerDown', 'peerUp'])
  })

  test('observers hear of every change of leader and of readiness', async () => {
    const cluster = await Cluster.start()
    const heard: string[] = []
    for (const { id, handle } of cluster.nodes) {
      handle.observe({
        status: ({ role, ready }) => heard.push(`${id} ${role}${ready ? ' ready' : ''}`),
        applied: () => undefined,
        reloaded: () => undefined,
      })
    }
    const leader = await cluster.leader()
    await cluster.time.run(200)
    expect(heard).toContain(`${leader.id} leader`)
    expect(heard.indexOf(`${leader.id} leader ready`)).toBeGreaterThan(heard.indexOf(`${leader.id} leader`))
    for (const { id } of cluster.others(leader))
      expect(heard.at(-1) === `${id} follower` || heard.includes(`${id} follower`)).toBe(true)
  })
})

describe('a clock that is wrong', () => {
  test('makes a leader give up leadership and not campaign again', async () => {
    const cluster = await Cluster.start()
    const old = await cluster.leader()
    await cluster.time.run(2000)
    old.env.wallOffsetMs = 10_000
    await cluster.time.until(() => !old.leads && cluster.others(old).some((node) => node.leads), 10_000)
    expect(old.events).toContainEqual({ type: 'clock', verdict: 'skewed', offsetMs: 9998 })
    const term = () => Math.max(...cluster.nodes.map(({ handle }) => handle.status().term))
    const before = term()
    for (const node of cluster.others(old)) node.handle.transferLeadership(old.handle.replica)
    await cluster.time.run(5000)
    expect(old.leads).toBe(false)
    expect(term()).toBe(before)
    old.env.wallOffsetMs = 0
    await cluster.time.run(3000)
    const leader = await cluster.leader()
    leader.handle.transferLeadership(old.handle.replica)
    await cluster.time.until(() => old.leads, 3000)
  })

  test('keeps a follower from taking over after a crash, as long as others can', async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const cluster = await Cluster.start({ seed })
      const leader = await cluster.leader()
      const [wrong, right] = cluster.others(leader)
      if (wrong === undefined || right === undefined) throw new Error('no follower')
      wrong.env.wallOffsetMs = -60_000
      await cluster.time.run(2500)
      leader.crash(true)
      expect(await cluster.leader([wrong, right])).toBe(right)
    }
  })

  test('of a peer shows in the clocks', async () => {
    const cluster = await Cluster.start()
    cluster.node(2).env.wallOffsetMs = -500
    await cluster.leader()
    await cluster.time.run(2000)
    const clock = cluster.node(1).multi.clocks().get(2)
    expect(clock?.offsetMs).toBe(-501)
    expect(clock?.ageMs).toBeLessThan(1001)
    expect(cluster.node(1).leads || cluster.node(2).leads || cluster.node(3).leads).toBe(true)
  })
})
