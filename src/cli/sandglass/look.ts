/** `sandglass verify` and `sandglass inspect`: a stopped node's folder in words or JSON, and what is wrong with it. */
import {
  type Inspection,
  inspectData,
  inspectFrames,
  unusedRanges,
  type Verification,
  verifyData,
} from '../../node/examine.ts'
import { StartError } from '../../node/start-error.ts'

export interface LookOptions {
  readonly data: string
  readonly output: string
}

/** Who closes our output has seen enough. */
export function endWithOutput(): void {
  process.stdout.once('error', () => process.exit(0))
}

/** Prints the report; throws StartError DATA_DAMAGED after it when anything is damaged. */
export async function runVerify({ data, output }: LookOptions): Promise<void> {
  const report = await verifyData(data)
  if (output === 'json') print(JSON.stringify(report))
  else for (const line of verified(report)) print(line)
  const { length } = report.damage
  if (length > 0)
    throw new StartError('DATA_DAMAGED', `Cannot trust data ${data}: ${length} damaged place(s), see above`)
}

/** `frames`: a JSON line for each frame of the log. `unused`: only the ranges that mean nothing. */
export async function runInspect(options: LookOptions & { frames: boolean; unused: boolean }): Promise<void> {
  const { data, output, frames, unused } = options
  if (unused) {
    const ranges = await unusedRanges(data)
    if (output === 'json') print(JSON.stringify({ data, unused: ranges }))
    else for (const { file, from, to, why } of ranges) print(`${file} ${from}-${to} ${why}`)
    return
  }
  const report = await inspectData(data)
  if (frames) for await (const frame of inspectFrames(data)) print(JSON.stringify(frame))
  else if (output === 'json') print(JSON.stringify(report))
  else for (const line of inspected(report)) print(line)
}

function* verified({ data, node, log, state, torn, damage, ok }: Verification): Iterable<string> {
  yield `${data}: ${nameOf(node)}`
  yield `log: ${log.segments} segments, ${log.batches} batches, ${log.groups} groups, ${log.bytes} bytes`
  yield `state: ${state.groups} groups, ${state.rows} rows`
  if (torn !== undefined) yield `torn: ${torn.file} at ${torn.offset}: ${torn.reason}; the next start cuts it`
  for (const { file, offset, groups, reason } of damage) {
    const at = offset === undefined ? '' : ` at ${offset}`
    yield `damaged: ${file}${at}: ${reason}; groups: ${groups?.join(', ') ?? 'any'}`
  }
  yield ok ? 'sound' : 'damaged'
}

function* inspected({ data, node, segments, groups }: Inspection): Iterable<string> {
  yield `${data}: ${nameOf(node)}`
  if (node !== undefined)
    yield `formation: ${node.state}, ${node.members.map(({ id, name, raft }) => `${id} ${name} ${raft}`).join(', ')}`
  for (const { file, sequence, bytes, batches, sealed, groups: rows, problem } of segments) {
    const held = rows.map(({ group, first, last }) => (last === 0 ? `${group}` : `${group} ${first}-${last}`))
    const state = problem ?? (sealed ? 'sealed' : 'open')
    yield `segment ${file}: batches ${sequence.first}-${sequence.next - 1} (${batches}), ${bytes} bytes, ${state}; groups: ${held.join(', ')}`
  }
  for (const { group, log, state } of groups) {
    const hard = log?.hard && `term ${log.hard.term} vote ${log.hard.vote} commit ${log.hard.commit}`
    const entries =
      log && `replica ${log.replica}, log ${log.base.index + 1}-${log.lastIndex}, ${hard ?? 'no hard state'}`
    const rows = state && `applied ${state.applied} (term ${state.term}), ${state.rows} rows`
    yield `group ${group}: ${entries ?? 'no log'}; ${rows ?? 'no checkpoint'}`
  }
}

function nameOf(node: Verification['node']): string {
  return node === undefined ? 'no identity' : `node ${node.nodeId} ${node.name} of cluster ${node.clusterId}`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
