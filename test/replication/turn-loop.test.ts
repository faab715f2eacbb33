/** What leaves and what is applied in one turn, and how time passes after a stall. */
import { describe, expect, test } from 'vitest'
import type { Env } from '../../src/base/env.ts'
import { MESSAGES_PER_TURN, TICKS_PER_TURN, TURNS_PER_ROUND, VISITS_PER_TURN } from '../../src/base/limits.ts'
import { PeerClocks } from '../../src/replication/clocks/peer-clocks.ts'
import { decodeFrame } from '../../src/replication/frame/frame.ts'
import { DEFAULT_TIMING } from '../../src/replication/options.ts'
import { Outbox } from '../../src/replication/outbox.ts'
import type { Turnable } from '../../src/replication/shard.ts'
import { StallWatch } from '../../src/replication/stall-watch.ts'
import { TurnLoop } from '../../src/replication/turn-loop.ts'
import { messageOf } from '../raft/harness/entries.ts'
import { VirtualTime } from '../virtual-env.ts'
import { Cluster, GROUP } from './cluster.ts'
import { text } from './list-view.ts'
import { MemoryNetwork } from './memory-transport.ts'

describe('a turn', () => {
  test('sends the heartbeats of all groups in one frame per peer', async () => {
    const cluster = await Cluster.start()
    const groups = Array.from({ length: 50 }, (_, i) => 100 + i)
    for (const node of cluster.nodes) for (const group of groups) await cluster.time.during(node.start(group))
    const [node] = cluster.nodes
    if (node === undefined) throw new Error('no node')
    const leads = () => node.multi.stats().leaders
    await cluster.time.until(() => cluster.nodes.reduce((sum, { multi }) => sum + multi.stats().leaders, 0) === 51)
    for (const { multi } of cluster.nodes) {
      for (const handle of multi.handles()) handle.transferLeadership(10)
    }
    await cluster.time.until(() => leads() === 51)
    await cluster.time.run(1000)
    cluster.network.sent.length = 0
    await cluster.time.run(100)
    const frames = cluster.network.sent.filter(({ from, to }) => from === 1 && to === 2)
    const counts = frames.map(({ frame }) => decodeFrame(frame).envelopes.length)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(51)
    // At most one frame for each of the two ticks.
    expect(counts.length).toBeLessThanOrEqual(2)
  })

  test('sends what was proposed in it as one append per peer, while the own disk writes', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    await cluster.time.run(1000)
    cluster.network.sent.length = 0
    for (let i = 0; i < 10; i++) cluster.ask(leader, `v${i}`)
    const durableBefore = leader.wal.group(GROUP)?.lastIndex() ?? 0
    await cluster.time.until(() => cluster.network.sent.length > 0, 10)
    expect(leader.wal.group(GROUP)?.lastIndex()).toBe(durableBefore)
    const appends = cluster.network.sent.filter(({ lane }) => lane === 'append')
    expect(appends.map(({ to }) => to).sort()).toEqual(cluster.others(leader).map(({ id }) => id))
    for (const { frame } of appends) {
      const { envelopes } = decodeFrame(frame)
      expect(envelopes.flatMap(({ message }) => message.entries).length).toBe(10)
    }
  })

  test('acknowledges nothing before it is durable', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    await cluster.time.run(1000)
    for (const node of cluster.others(leader)) node.wal.setState('full')
    const asked = cluster.ask(leader, 'a')
    await cluster.time.run(300)
    expect(asked.outcomes).toEqual([])
    const acknowledged = cluster.network.sent
      .filter(({ to }) => to === leader.id)
      .flatMap(({ frame }) => decodeFrame(frame).envelopes)
      .filter(({ message }) => message.type === 'appendEntriesResponse' && message.index >= 2)
    expect(acknowledged).toEqual([])
    for (const node of cluster.others(leader)) node.wal.setState('ok')
    await cluster.time.until(() => asked.outcomes.length > 0, 1000)
  })

  test('splits frames at their bound, and a single large message still goes', () => {
    const time = new VirtualTime()
    const network = new MemoryNetwork(time)
    const outbox = new Outbox(clocks(time.env()), network.transport(1))
    const sender = { group: GROUP, unreachable: () => undefined }
    const message = (bytes: number) => ({
      ...{ type: 'appendEntries' as const, from: 10, to: 20, term: 1, index: 0, logTerm: 0, commit: 0, context: 0 },
      ...{ reject: false, rejectHint: 0 },
      entries: [{ term: 1, index: 1, type: 'normal' as const, data: new Uint8Array(bytes) }],
    })
    for (const bytes of [100_000, 100_000, 100_000, 1_000_000, 10]) outbox.add(2, sender, message(bytes))
    outbox.flush()
    const sizes = network.sent.map(({ frame }) => decodeFrame(frame).envelopes.length)
    expect(sizes).toEqual([2, 1, 1, 1])
  })

  test('puts no more messages into a frame than a node takes in a turn', () => {
    const time = new VirtualTime()
    const network = new MemoryNetwork(time)
    const outbox = new Outbox(clocks(time.env()), network.transport(1))
    const sender = { group: GROUP, unreachable: () => undefined }
    for (let i = 0; i < 2 * MESSAGES_PER_TURN + 1; i++) outbox.add(2, sender, messageOf('heartbeat', 10, 20, 1))
    outbox.flush()
    const sizes = network.sent.map(({ frame }) => decodeFrame(frame).envelopes.length)
    expect(sizes).toEqual([MESSAGES_PER_TURN, MESSAGES_PER_TURN, 1])
  })

  test('applies for one slice, then gives the loop back; those that had no turn come first', async () => {
    const time = new VirtualTime()
    const env = time.env()
    let nowMs = 0
    const applied: string[] = []
    const loop: TurnLoop = loopOf(time, env, { env: { ...boundEnv(env), monoMs: () => nowMs } })
    let turns = 0
    const busy = (name: string, slices: number): Turnable => {
      let left = slices
      const replica: Turnable = {
        ...IDLE,
        apply: (enough) => {
          for (; left > 0 && !enough(); left--) {
            nowMs += 3
            applied.push(`${turns} ${name}`)
          }
          if (left > 0) loop.mark(replica)
        },
      }
      return replica
    }
    loop.mark(busy('a', 4))
    loop.mark(busy('b', 4))
    for (turns = 1; turns <= 4; turns++) {
      await new Promise<void>((resolve) => {
        env.endOfTurn(resolve)
        void time.run(0)
      })
    }
    loop.stop()
    expect(applied).toEqual(['1 a', '1 a', '2 b', '2 b', '3 a', '3 a', '4 b', '4 b'])
  })

  test('visits so many replicas, and the others in the next ones: each once before any is visited again', async () => {
    const time = new VirtualTime()
    const env = time.env()
    const visited: number[][] = []
    const loop = loopOf(time, env, { onTurn: () => visited.push([]) })
    const count = 2 * VISITS_PER_TURN + 10
    for (let i = 0; i < count; i++) {
      // Each has more to say at once, twice.
      let left = 3
      const replica: Turnable = {
        ...IDLE,
        collect: () => {
          visited.at(-1)?.push(i)
          if (--left > 0) loop.mark(replica)
        },
      }
      loop.mark(replica)
    }
    await time.run(0)
    loop.stop()
    const all = Array.from({ length: count }, (_, i) => i)
    expect(visited.flat()).toEqual([...all, ...all, ...all])
    expect(Math.max(...visited.map(({ length }) => length))).toBe(VISITS_PER_TURN)
  })

  test('visits more of them where there are so many that the last ones would wait for long', async () => {
    const time = new VirtualTime()
    let turns = 0
    const visited: number[] = []
    const loop = loopOf(time, time.env(), { onTurn: () => turns++ })
    const count = 10 * TURNS_PER_ROUND * VISITS_PER_TURN
    for (let i = 0; i < count; i++) loop.mark({ ...IDLE, collect: () => visited.push(turns) })
    await time.run(0)
    loop.stop()
    expect(visited).toHaveLength(count)
    expect(visited.filter((turn) => turn === 1)).toHaveLength(count / TURNS_PER_ROUND)
  })

  test('asks each that it has visited to apply, though the slice is used up in every turn', async () => {
    const time = new VirtualTime()
    const env = time.env()
    let nowMs = 0
    let turns = 0
    const applied: number[] = []
    const slow = { ...boundEnv(env), monoMs: () => nowMs }
    const loop = loopOf(time, env, { env: slow, onTurn: () => turns++ })
    for (let i = 0; i < 3; i++) {
      loop.mark({
        ...IDLE,
        // Waits for a processor: longer than the slice.
        collect: () => {
          nowMs += 100
        },
        apply: () => {
          nowMs += 100
          applied.push(turns)
        },
      })
    }
    await time.run(0)
    loop.stop()
    expect(applied).toEqual([1, 2, 3])
  })

  test('applies nothing while the state store cannot be read, and goes on afterwards', async () => {
    const cluster = await Cluster.start({ nodes: 1 })
    const leader = await cluster.leader()
    let reopened: () => void = () => undefined
    const ready = new Promise<void>((resolve) => {
      reopened = resolve
    })
    let busy: Promise<void> | undefined = ready
    leader.state.ready = () => busy
    const asked = cluster.ask(leader, 'a')
    await cluster.time.run(500)
    expect(asked.outcomes).toEqual([])
    busy = undefined
    reopened()
    await cluster.time.until(() => asked.outcomes.length > 0, 10)
  })
})

describe('ticks', () => {
  test('reach so many replicas in a turn, the first at once, and each is ticked once for each', async () => {
    const time = new VirtualTime()
    const env = time.env()
    const ticked: number[] = []
    const turns: number[] = []
    const loop = loopOf(time, env, { onTurn: () => turns.push(ticked.length) })
    const count = 2 * TICKS_PER_TURN + 10
    const replicas = Array.from({ length: count }, (_, i) => ({ ...IDLE, tick: () => ticked.push(i) }))
    loop.tick(replicas)
    expect(ticked).toHaveLength(TICKS_PER_TURN)
    // A stall: the next tick comes while some still wait for this one.
    loop.tick(replicas)
    await time.run(0)
    loop.stop()
    const waiting = Array.from({ length: count }, (_, i) => i).slice(TICKS_PER_TURN)
    const first = waiting.slice(0, TICKS_PER_TURN)
    expect(ticked.slice(TICKS_PER_TURN, 2 * TICKS_PER_TURN)).toEqual(first)
    const times = new Map<number, number>()
    for (const i of ticked) times.set(i, (times.get(i) ?? 0) + 1)
    expect([...times.values()].every((n) => n <= 2)).toBe(true)
    expect(times.size).toBe(count)
    const each = [...turns, ticked.length].map((sum, i, sums) => sum - (sums[i - 1] ?? 0)).slice(1)
    expect(Math.max(...each)).toBe(TICKS_PER_TURN)
  })

  test('come once after a stall, and start their rhythm anew', async () => {
    const time = new VirtualTime()
    const env = time.env()
    let stallMs = 0
    const ticks: number[] = []
    const loop = loopOf(time, env, {
      env: { ...boundEnv(env), monoMs: () => time.nowMs + stallMs },
      onTick: () => ticks.push(time.nowMs + stallMs),
    })
    await time.run(100)
    stallMs = 1000
    await time.run(150)
    loop.stop()
    expect(ticks).toEqual([50, 100, 1150, 1200, 1250])
  })

  test('that were missed are counted first, then what arrived meanwhile is taken, then comes the one that is due', async () => {
    const time = new VirtualTime()
    const env = time.env()
    const happened: string[] = []
    const loop = loopOf(time, env, {
      onMissed: (ticks) => happened.push(`missed ${ticks}`),
      onTick: () => happened.push(`tick ${time.nowMs}`),
    })
    await time.run(60)
    env.pause()
    await time.run(500)
    env.enter(() => happened.push('arrival'))
    env.resume()
    await time.run(50)
    loop.stop()
    expect(happened).toEqual(['tick 50', 'missed 9', 'arrival', 'tick 560', 'tick 600'])
  })

  test('missed by a replica that still waited for the last one are told to it', () => {
    const time = new VirtualTime()
    const env = time.env()
    const loop = loopOf(time, env, {})
    const missed: number[] = []
    const count = TICKS_PER_TURN + 1
    const replicas = Array.from({ length: count }, (_, i) => ({ ...IDLE, missTicks: () => missed.push(i) }))
    loop.tick(replicas)
    loop.tick(replicas)
    loop.stop()
    expect(missed).toEqual([count - 1])
  })

  test('come seldom while nobody wants them, and at once as soon as somebody does', async () => {
    const time = new VirtualTime()
    const env = time.env()
    let wanted = 3
    const ticks: [number, number][] = []
    const loop = loopOf(time, env, { wanted: () => wanted, onTick: (count) => ticks.push([time.nowMs, count]) })
    await time.run(360)
    expect(ticks).toEqual([
      [50, 1],
      [200, 3],
      [350, 3],
    ])
    await time.run(50)
    wanted = 1
    loop.hurry()
    loop.hurry()
    await time.run(90)
    loop.stop()
    expect(ticks.slice(3)).toEqual([
      [450, 2],
      [500, 1],
    ])
  })

  test('that are wanted at once come at once after a stall, too', async () => {
    const time = new VirtualTime()
    const env = time.env()
    let stallMs = 0
    let wanted = 3
    const ticks: number[] = []
    const loop = loopOf(time, env, {
      env: { ...boundEnv(env), monoMs: () => time.nowMs + stallMs },
      wanted: () => wanted,
      onTick: () => ticks.push(time.nowMs + stallMs),
    })
    await time.run(60)
    stallMs = 1000
    await time.run(150)
    wanted = 1
    loop.hurry()
    await time.run(60)
    loop.stop()
    expect(ticks).toEqual([50, 1200, 1250])
  })

  test('do not make a cluster elect anew after all of it stood still', async () => {
    const cluster = await Cluster.start()
    const leader = await cluster.leader()
    await cluster.time.run(1000)
    const { term } = leader.handle.status()
    const outcomes: unknown[] = []
    leader.handle.propose({ at: 1, commands: [text('a')], done: (outcome) => outcomes.push(outcome) })
    await cluster.time.run(2000)
    expect(leader.handle.status().term).toBe(term)
    expect(outcomes).toHaveLength(1)
  })
})

test('a damaged frame is refused, and nothing else suffers', async () => {
  const cluster = await Cluster.start()
  const leader = await cluster.leader()
  expect(() => cluster.network.inject(leader.id, 2, Uint8Array.of(1, 2, 3))).toThrow('Cannot read a frame')
  expect(leader.fatal).toEqual([])
  expect(await cluster.propose(leader, 'a')).toMatchObject({ type: 'applied' })
})

const IDLE: Turnable = {
  collect: () => undefined,
  missTicks: () => undefined,
  tick: () => undefined,
  apply: () => undefined,
}

/** One that wants every tick, hears nothing of it, and fails the test when it fails. */
function loopOf(
  time: VirtualTime,
  env: ReturnType<VirtualTime['env']>,
  parts: Partial<ConstructorParameters<typeof TurnLoop>[0]>,
): TurnLoop {
  return new TurnLoop({
    env,
    tickMs: 50,
    sliceMs: 5,
    outbox: new Outbox(clocks(env), new MemoryNetwork(time).transport(1)),
    stateReady: () => undefined,
    wanted: () => 1,
    onTurn: () => undefined,
    watch: new StallWatch(parts.env ?? env, DEFAULT_TIMING, () => undefined),
    onMissed: () => undefined,
    onTick: () => undefined,
    fatal: (error) => {
      throw error
    },
    ...parts,
  })
}

const clocks = (env: Env) => new PeerClocks(env, 1)

/** The methods of `env` as plain functions, so that a test can replace one. */
function boundEnv(env: ReturnType<VirtualTime['env']>) {
  return {
    wallMs: () => env.wallMs(),
    random: () => env.random(),
    randomBytes: (count: number) => env.randomBytes(count),
    after: (ms: number, run: () => void) => env.after(ms, run),
    endOfTurn: (run: () => void) => env.endOfTurn(run),
  }
}
