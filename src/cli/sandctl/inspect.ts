// sandctl messages get, groups list | describe, cluster status | nodes: what the cluster knows, in JSON or columns.
import { SandglassError } from '../../base/errors.ts'
import { decodeOffset, encodeOffset } from '../../base/offset.ts'
import type { Core } from '../../client/core.ts'
import { type GetMessageResponse, type GroupRef, MessageState, type Position } from '../../wire/messages.ts'
import { bytesAsJson } from './body-text.ts'
import { type Command, type Context, connected } from './context.ts'
import { EXIT } from './exit.ts'

const READ = { mutating: false } as const
const STATES: Readonly<Record<number, string>> = {
  [MessageState.SCHEDULED]: 'scheduled',
  [MessageState.DUE]: 'due',
  [MessageState.FIRED]: 'fired',
}

/** `topic`: where to look; default: everywhere, since an offset does not name its topic. */
export function getMessage(offset: string, topic: string | undefined): Command {
  return (context) =>
    connected(context, async (core) => {
      const { partition } = decodeOffset(offset)
      const { message, state, topic: foundIn } = await find(core, offset, topic)
      const { key, value, headers } = message.body ?? { key: new Uint8Array(0), value: new Uint8Array(0), headers: {} }
      if (context.output.format === 'table') {
        context.output.write(Buffer.concat([value, Buffer.from('\n')]))
        return EXIT.ok
      }
      context.output.json({
        topic: foundIn,
        offset,
        partition,
        index: message.index,
        channel: message.channel,
        ...(key.length > 0 && bytesAsJson('key', key)),
        headers,
        ...bytesAsJson('value', value),
        dueMs: message.dueMs,
        state,
      })
      return EXIT.ok
    })
}

export function listGroups(topic: string | undefined): Command {
  return (context) =>
    connected(context, async (core) => {
      const { groups } = await core.calls.call('Queue', 'ListGroups', { topic: topic ?? '' }, READ)
      const rows = groups.map((g) => ({ group: g.group, topic: g.topic, channel: g.channel }))
      if (context.output.format === 'table') {
        context.output.table(
          ['GROUP', 'TOPIC', 'CHANNEL'],
          rows.map((r) => [r.group, r.topic, r.channel]),
        )
      } else context.output.json({ groups: rows })
      return EXIT.ok
    })
}

export function describeGroup(
  group: string,
  where: { topic: string | undefined; channel: string | undefined },
): Command {
  return (context) =>
    connected(context, async (core) => {
      const { topic, channel } = await groupRef(core, group, where)
      const found = await core.calls.call('Queue', 'DescribeGroup', { topic, channel, group }, READ)
      const partitions = found.partitions.map(({ id, consumed, committed, leased, waiting, due }) => ({
        id,
        consumed: offsetOf(id, consumed),
        committed: offsetOf(id, committed),
        leased,
        waiting,
        due,
      }))
      if (context.output.format === 'table') {
        context.output.table(
          ['PARTITION', 'CONSUMED', 'COMMITTED', 'LEASED', 'WAITING', 'DUE'],
          partitions.map((p) => [p.id, p.consumed, p.committed, p.leased, p.waiting, p.due]),
        )
      } else context.output.json({ group, topic: found.topic, channel: found.channel, partitions })
      return EXIT.ok
    })
}

export function clusterStatus(): Command {
  return (context) =>
    connected(context, async (core) => {
      const status = await core.calls.call('Cluster', 'Status', {}, READ)
      const nodes = status.nodes.map(({ name, grpc, alive }) => ({ name, grpc, alive }))
      const partitions = status.partitions.map(({ topic, id, leader, term, commit, applied }) => ({
        topic,
        id,
        leader: leader === '' ? null : leader,
        term,
        commit,
        applied: Object.fromEntries(applied.map(({ node, index }) => [node, index])),
      }))
      const damage = status.damage.map(({ groups, anyGroup, ...place }) => {
        return { ...place, groups: anyGroup ? null : groups }
      })
      if (context.output.format === 'table') showStatus(context, status.clusterId, nodes, partitions, damage)
      else context.output.json({ clusterId: status.clusterId, nodes, partitions, damage })
      return EXIT.ok
    })
}

export function clusterNodes(): Command {
  return (context) =>
    connected(context, async (core) => {
      const { nodes } = await core.calls.call('Cluster', 'ListNodes', {}, READ)
      const rows = nodes.map(({ name, grpc, alive, version }) => ({ name, grpc, alive, version }))
      if (context.output.format === 'table') {
        context.output.table(
          ['NAME', 'GRPC', 'ALIVE', 'VERSION'],
          rows.map((n) => [n.name, n.grpc, n.alive, n.version]),
        )
      } else context.output.json({ nodes: rows })
      return EXIT.ok
    })
}

interface PartitionRow {
  readonly topic: string
  readonly id: number
  readonly leader: string | null
  readonly term: number
  readonly commit: number
  readonly applied: Readonly<Record<string, number>>
}

interface DamageRow {
  readonly node: string
  readonly part: string
  readonly file: string
  readonly offset: number
  readonly groups: readonly number[] | null
  readonly reason: string
}

function showStatus(
  { output }: Context,
  clusterId: string,
  nodes: readonly { name: string; grpc: string; alive: boolean }[],
  partitions: readonly PartitionRow[],
  damage: readonly DamageRow[],
): void {
  output.text(`cluster ${clusterId}`)
  output.table(
    ['NODE', 'GRPC', 'ALIVE'],
    nodes.map((n) => [n.name, n.grpc, n.alive]),
  )
  output.table(
    ['TOPIC', 'PARTITION', 'LEADER', 'TERM', 'COMMIT', 'APPLIED'],
    partitions.map((p) => {
      const applied = Object.entries(p.applied).map(([node, index]) => `${node}=${index}`)
      return [p.topic, p.id, p.leader, p.term, p.commit, applied.join(' ')]
    }),
  )
  if (damage.length === 0) return
  output.table(
    ['DAMAGED', 'PART', 'FILE', 'OFFSET', 'GROUPS', 'REASON'],
    damage.map((d) => [d.node, d.part, d.file, d.offset, d.groups?.join(' ') ?? 'any', d.reason]),
  )
}

type Found = {
  readonly topic: string
  readonly message: NonNullable<GetMessageResponse['message']>
  readonly state: string
}

async function find(core: Core, offset: string, topic: string | undefined): Promise<Found> {
  const topics = topic === undefined ? (await core.calls.call('Topics', 'ListTopics', {}, READ)).topics : [topic]
  const found: Found[] = []
  for (const name of topics) {
    const answer = await getIn(core, name, offset, topic !== undefined)
    if (answer?.message) found.push({ topic: name, message: answer.message, state: STATES[answer.state] ?? 'unknown' })
  }
  const [one, other] = found
  if (other !== undefined) {
    const names = found.map((f) => f.topic).join(', ')
    throw new SandglassError('INVALID', `Cannot tell which message is meant: ${names} have one, choose with --topic`)
  }
  if (one === undefined) throw new SandglassError('MESSAGE_NOT_FOUND', `Cannot get ${offset}: no such message`)
  return one
}

async function getIn(
  core: Core,
  topic: string,
  offset: string,
  only: boolean,
): Promise<GetMessageResponse | undefined> {
  try {
    return await core.calls.call('Queue', 'GetMessage', { topic, offset }, READ)
  } catch (error) {
    // While looking everywhere, a topic that cannot have it says so in one of these ways.
    const no = ['MESSAGE_NOT_FOUND', 'TOPIC_NOT_FOUND', 'UNSUPPORTED', 'INVALID']
    if (!only && error instanceof SandglassError && no.includes(error.reason)) return undefined
    throw error
  }
}

async function groupRef(
  core: Core,
  group: string,
  where: { topic: string | undefined; channel: string | undefined },
): Promise<Pick<GroupRef, 'topic' | 'channel'>> {
  const { topic, channel } = where
  if (topic !== undefined) return { topic, channel: channel ?? '' }
  const { groups } = await core.calls.call('Queue', 'ListGroups', { topic: '' }, READ)
  const found = groups.filter((g) => g.group === group && (channel === undefined || g.channel === channel))
  const [one, other] = found
  if (one === undefined) throw new SandglassError('GROUP_NOT_FOUND', `Cannot describe ${group}: no such group`)
  if (other !== undefined) {
    const places = found.map((g) => `${g.topic}/${g.channel}`).join(', ')
    throw new SandglassError(
      'INVALID',
      `Cannot tell which group is meant: in ${places}, choose with --topic and --channel`,
    )
  }
  return one
}

function offsetOf(partition: number, position: Position | null): string | null {
  return position === null ? null : encodeOffset({ due: position.dueMs, index: position.index, partition })
}
