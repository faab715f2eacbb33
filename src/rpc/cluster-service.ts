/** Service Cluster: every node tells what its own replicas know; the node that was asked joins the answers. */
import type { Env } from '../base/env.ts'
import { invalid, SandglassError } from '../base/errors.ts'
import type { NodeId } from '../base/ids.ts'
import { Slice } from '../base/slice.ts'
import type { NodeInfo } from '../broker/directory.ts'
import type { Damage, Node, PartitionStatus } from '../wire/messages.ts'
import { SERVICES } from '../wire/messages.ts'
import { checkTransferLeader } from '../wire/requests.ts'
import type { Init } from '../wire/wire.ts'
import type { Handlers } from './calls.ts'
import { passOn } from './forwarding.ts'
import type { CallContext, ServiceContext } from './service-context.ts'

/** A node that does not answer within this is left out, ms. */
const LOCAL_STATUS_MS = 1000
const ROWS_PER_LOOK = 16

/** Of the cluster id: enough to tell clusters apart. The whole of it admits to the peer port, and anybody can ask here. */
const ID_DIGITS = 8

export function clusterHandlers(context: ServiceContext): Handlers<'Cluster'> {
  const { directory } = context
  return {
    async Status(request, call) {
      const nodes = directory.nodes().map(nodeMessage)
      const own = await localStatus(context)
      const clusterId = directory.clusterId.slice(0, ID_DIGITS)
      if (request.local) return { clusterId, nodes, ...own }
      const reports = [own, ...(await statusOfOthers(context, call))]
      const partitions = await joined(context.env, [listed(context), ...reports.map((report) => report.partitions)])
      return { clusterId, nodes, partitions, damage: reports.flatMap(({ damage }) => damage) }
    },
    async ListNodes() {
      return { nodes: directory.nodes().map(nodeMessage) }
    },
    async TransferLeader(request, call) {
      checkTransferLeader(request)
      const info = await context.broker.router.partition(request.topic, request.partition, call.deadline)
      const to = directory.nodes().find(({ name }) => name === request.to)
      if (to === undefined || !info.replicas.some(({ node }) => node === to.id)) {
        throw invalid('to', `Cannot hand over to ${request.to}: it has no replica of the partition`)
      }
      const leader = directory.leaderOf(info.group)
      const node = directory.node(leader)
      if (leader !== directory.self && node !== undefined && call.forwardedFor === undefined) {
        return passOn(context, node, call, { partition: info.id, mutating: true })
      }
      if (leader !== directory.self) throw new SandglassError('NO_QUORUM', 'Cannot hand over: no leader is known')
      directory.transferLeader(info.group, to.id)
      return {}
    },
  }
}

function nodeMessage({ id, name, grpc, alive, version }: NodeInfo): Init<Node> {
  return { id, name, grpc, alive, version }
}

interface Report {
  readonly partitions: readonly Init<PartitionStatus>[]
  readonly damage: readonly Init<Damage>[]
}

/** Every partition of the catalog: one of which no node speaks is what a status must not leave out. */
function* listed({ directory }: ServiceContext): Iterable<Init<PartitionStatus>> {
  const name = (id: NodeId) => directory.node(id)?.name ?? ''
  for (const { partitions } of directory.topics()) {
    for (const { topic, id, group } of partitions) yield { topic, id, leader: name(directory.leaderOf(group)) }
  }
}

/** What this node's replicas know of themselves, and its disk. In slices of the event loop: they may be thousands. */
async function localStatus({ env, broker, directory, damage }: ServiceContext): Promise<Report> {
  const self = directory.node(directory.self)?.name ?? ''
  const slice = new Slice(env, ROWS_PER_LOOK)
  const partitions: Init<PartitionStatus>[] = []
  for (const { info, handle } of broker.partitions()) {
    const { leaderNode, term, commit, applied } = handle.status()
    const leader = directory.node(leaderNode)?.name ?? ''
    const row = { topic: info.topic, id: info.id, leader, term, commit }
    partitions.push({ ...row, applied: [{ node: self, index: applied }] })
    if (slice.spent()) await slice.rest()
  }
  return { partitions, damage: damage().map((place) => ({ ...place, node: self })) }
}

async function statusOfOthers(context: ServiceContext, call: CallContext): Promise<readonly Report[]> {
  const { directory, env, wire } = context
  // Those as well that do not seem to be alive: a node that has just started has not heard of anybody yet.
  const others = directory.nodes().filter(({ id }) => id !== directory.self)
  const raw = wire.codec('StatusRequest').encode({ local: true })
  const deadline = Math.min(call.deadline, env.monoMs() + LOCAL_STATUS_MS)
  const about = { path: SERVICES.Cluster.Status.path, raw, deadline, onCancel: call.onCancel }
  const asked = others.map((node) => passOn(context, node, about, { partition: 0, mutating: false }))
  // Who does not answer is missing from the join, which is what a status is for.
  const answers = await Promise.allSettled(asked)
  const codec = wire.codec('StatusResponse')
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [codec.decode(answer.value)] : []))
}

/** One row a partition: the view of the highest term, and everybody's applied index. In slices of the event loop. */
async function joined(
  env: Env,
  reports: readonly Iterable<Init<PartitionStatus>>[],
): Promise<readonly Init<PartitionStatus>[]> {
  const rows = new Map<string, Init<PartitionStatus>>()
  const slice = new Slice(env, ROWS_PER_LOOK)
  for (const report of reports) {
    for (const row of report) {
      const key = `${row.topic}\n${row.id}`
      const known = rows.get(key)
      if (known === undefined) rows.set(key, row)
      else rows.set(key, { ...newer(known, row), applied: [...(known.applied ?? []), ...(row.applied ?? [])] })
      if (slice.spent()) await slice.rest()
    }
  }
  const order = new Intl.Collator()
  return [...rows.values()].sort((a, b) => order.compare(a.topic ?? '', b.topic ?? '') || Number(a.id) - Number(b.id))
}

function newer(a: Init<PartitionStatus>, b: Init<PartitionStatus>): Init<PartitionStatus> {
  const [termA, termB] = [a.term ?? 0, b.term ?? 0]
  if (termA !== termB) return termA > termB ? a : b
  // Of one term, who knows the leader, then who knows more.
  if ((a.leader === '') !== (b.leader === '')) return a.leader === '' ? b : a
  return (a.commit ?? 0) >= (b.commit ?? 0) ? a : b
}
