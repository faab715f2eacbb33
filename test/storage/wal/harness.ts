/** Opens logs on a disk and talks to them in short sentences. */
import type { Entry, HardState } from '../../../src/base/log-entry.ts'
import type { Disk } from '../../../src/storage/disk.ts'
import type { Losses } from '../../../src/storage/wal/losses.ts'
import { openWal, type WalOptions } from '../../../src/storage/wal/open.ts'
import type { GroupLog, Wal, WalDamage, WalState, WalWrite } from '../../../src/storage/wal/types.ts'
import { ManualEnv } from '../manual-env.ts'
import { SimulatedDisk } from '../simulated-disk.ts'

export const DIR = '/data/shard-0/wal'

export interface OpenLog {
  readonly wal: Wal
  readonly env: ManualEnv
  readonly damage: readonly WalDamage[]
  readonly losses: Losses
  readonly states: WalState[]
  readonly fatal: Error[]
}

export async function openLog(disk: Disk, options: Partial<WalOptions> = {}, seed = 1): Promise<OpenLog> {
  const env = new ManualEnv(seed)
  const states: WalState[] = []
  const fatal: Error[] = []
  const { wal, damage, losses } = await openWal({
    dir: DIR,
    disk: disk instanceof SimulatedDisk ? disk.boot() : disk,
    env,
    reserveBytes: 0,
    onState: (state) => states.push(state),
    onFatal: (error) => fatal.push(error),
    ...options,
  })
  return { wal, env, damage, losses, states, fatal }
}

export function entry(index: number, term = 1, text = `entry ${index} of term ${term}`): Entry {
  return { index, term, type: 'normal', data: Buffer.from(text) }
}

export function entries(first: number, count: number, term = 1, bytes = 20): Entry[] {
  return Array.from({ length: count }, (_, i) => entry(first + i, term, `${first + i}.${term} `.padEnd(bytes, 'x')))
}

export function hardState(term: number, vote = 1, commit = 0): HardState {
  return { term, vote, commit }
}

/** Appends and waits until it is durable. */
export function write(wal: Wal, ...writes: WalWrite[]): Promise<void> {
  return new Promise((resolve) => {
    for (const [i, one] of writes.entries()) wal.append(one, i === writes.length - 1 ? resolve : () => undefined)
  })
}

export function texts(log: GroupLog | undefined): string[] {
  if (!log || log.lastIndex() < log.firstIndex()) return []
  return readAll(log).map(({ data }) => Buffer.from(data).toString())
}

export function readAll(log: GroupLog): Entry[] {
  const all: Entry[] = []
  for (let next = log.firstIndex(); next <= log.lastIndex(); ) {
    const part = log.entries(next, log.lastIndex() + 1, 100)
    all.push(...part)
    next += part.length
  }
  return all
}
