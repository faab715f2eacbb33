/**
 * The bookkeeper's judgement over the demo's records: every task acknowledged, none early, every duplicate explained by
 * a nack, a killed leader or a lease that had ended: by its time, or with a session that stayed away for its grace. Knows nothing of how the records came about.
 */
import type { AckedLine, DeliveredLine, KilledLine, Line, ProducedLine, SessionLine, TermsLine } from './records.ts'

export interface Books {
  readonly tasks: number
  readonly acked: number
  readonly lost: number
  readonly early: number
  readonly duplicates: number
  readonly explained: number
  /** Acks that nobody answered in time and that were asked again; each counts once at most. */
  readonly unanswered: number
  /** Per kill: longest time without a produce acknowledged on the partition whose leader was killed; null: nothing was produced after it. */
  readonly gapsMs: readonly (number | null)[]
  /** New terms of all partitions together, per minute; the kills' own elections are among them. null: not told. */
  readonly termsPerMinute: number | null
  readonly ok: boolean
}

/** After a kill, silence that begins within this long counts as caused by it. */
const AFTERMATH_MS = 10_000
const MINUTE_MS = 60_000
/** Leader time is in whole ms on both ends of a lease. */
const ROUNDING_MS = 2

interface Events {
  readonly kills: readonly KilledLine[]
  /** In the order in which they happened. */
  readonly sessions: readonly SessionLine[]
}

export function keepBooks(lines: readonly Line[]): Books {
  const of = <T extends Line['type']>(type: T) =>
    lines.filter((line): line is Extract<Line, { type: T }> => line.type === type)
  const produced = of('produced')
  const delivered = of('delivered')
  const kills = of('killed')
  const acks = of('acked')
  const tasks = of('plan').reduce((sum, plan) => sum + plan.tasks, 0)
  const acked = countAcked(produced, acks)
  const early = delivered.filter((d) => d.deliveredMs < d.dueMs).length
  const { duplicates, explained } = judgeDuplicates(delivered, acks, { kills, sessions: of('session') })
  const gapsMs = kills.map((kill, i) => gapOf(kill, kills[i + 1]?.atMs, produced))
  const lost = tasks - acked
  const ok = tasks > 0 && lost === 0 && early === 0 && duplicates === explained
  const unanswered = of('unanswered').length
  const termsPerMinute = termsIn(of('terms'))
  return { tasks, acked, lost, early, duplicates, explained, unanswered, gapsMs, termsPerMinute, ok }
}

function termsIn(told: readonly TermsLine[]): number | null {
  const [first, last] = [told[0], told.at(-1)]
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return null
  const perMinute = ((last.sum - first.sum) * MINUTE_MS) / (last.atMs - first.atMs)
  return Math.round(perMinute * 10) / 10
}

/** Tasks with an acknowledgement of the very message that was produced for them. */
function countAcked(produced: readonly ProducedLine[], acks: readonly AckedLine[]): number {
  const offsets = new Map(produced.map((p) => [p.task, p.offset]))
  return new Set(acks.filter((a) => offsets.get(a.task) === a.offset).map((a) => a.task)).size
}

function judgeDuplicates(
  delivered: readonly DeliveredLine[],
  acks: readonly AckedLine[],
  events: Events,
): { duplicates: number; explained: number } {
  const settled = new Set(acks.map((a) => `${a.task}/${a.fence}`))
  const byTask = new Map<number, DeliveredLine[]>()
  for (const line of delivered) {
    const list = byTask.get(line.task)
    if (list === undefined) byTask.set(line.task, [line])
    else list.push(line)
  }
  let duplicates = 0
  let explained = 0
  for (const list of byTask.values()) {
    list.sort((a, b) => a.fence - b.fence)
    for (const [i, next] of list.entries()) {
      const before = list[i - 1]
      if (before === undefined) continue
      duplicates += 1
      const wasAcked = settled.has(`${before.task}/${before.fence}`)
      if (!wasAcked && isExplained(before, next, events)) explained += 1
    }
  }
  return { duplicates, explained }
}

function isExplained(before: DeliveredLine, next: DeliveredLine, { kills, sessions }: Events): boolean {
  if (before.answer === 'nack') return true
  if (next.deliveredMs + ROUNDING_MS >= before.deliveredMs + before.leaseMs) return true
  if (kills.some((k) => k.led.includes(next.partition) && k.atMs >= before.deliveredMs && k.atMs <= next.receivedMs))
    return true
  return graceRanOut(before, next, sessions)
}

/**
 * Whether the stream that had the first delivery broke after it and was not back for as long as its grace, counted from
 * when a leader certainly had it, and the second delivery is not from before that.
 */
function graceRanOut(before: DeliveredLine, next: DeliveredLine, sessions: readonly SessionLine[]): boolean {
  const own = sessions.filter((s) => s.consumer === before.consumer && s.partition === before.partition)
  return own.some((broken, i) => {
    if (broken.event !== 'broken' || broken.atMs < before.deliveredMs) return false
    const back = own.slice(i + 1).find((s) => s.event === 'attached')?.atMs ?? Number.POSITIVE_INFINITY
    const graceEnd = broken.confirmedMs + broken.graceMs
    return back >= graceEnd && next.deliveredMs + ROUNDING_MS >= graceEnd
  })
}

function gapOf(kill: KilledLine, nextKillMs: number | undefined, produced: readonly ProducedLine[]): number | null {
  const times = produced.filter((p) => p.partition === kill.partition).map((p) => p.ackedMs)
  times.sort((a, b) => a - b)
  if ((times.at(-1) ?? 0) < kill.atMs) return null
  let longest = 0
  for (const [i, time] of times.entries()) {
    const before = times[i - 1]
    if (before === undefined || time < kill.atMs || before > kill.atMs + AFTERMATH_MS) continue
    // What ends behind the next kill is that one's.
    if (nextKillMs !== undefined && time > nextKillMs) break
    longest = Math.max(longest, time - before)
  }
  return longest
}
