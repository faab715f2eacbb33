/**
 * `npm run damage -- --cases N [--live M] [--seed S]`: damages copies of a data folder, one place at a time, and checks that
 * each is noticed and costs only what it must; then M times the folder of a node of a live cluster. Prints what goes wrong
 * with the words that repeat it, then a line of JSON; exit 1.
 */
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { seededRandom } from '../storage/simulated-disk.ts'
import { DamageRun } from './damage-run.ts'
import { LiveRun } from './live-run.ts'

const PROGRESS_EVERY = 200
const AT_ONCE = 8

interface Flags {
  readonly cases: number
  readonly live: number
  readonly first: number
  readonly seed: number
}

/** Where a live cluster is damaged, in turn. */
const PARTS = ['partition', 'state', 'log', 'table'] as const

async function onCopies({ cases, seed, first }: Flags) {
  const run = await DamageRun.begin()
  const count = { named: 0, unused: 0, torn: 0, unchanged: 0, failed: 0 }
  try {
    let next = first
    const work = async () => {
      while (next < first + cases) {
        const n = next++
        const { verdict, name, error } = await run.case(seededRandom(seed * 1_000_003 + n))
        count[verdict]++
        if (error !== undefined) {
          console.log(`case ${n}: ${name}: ${error}\n  again: npm run damage -- --cases 1 --first ${n} --seed ${seed}`)
        }
        if ((n - first + 1) % PROGRESS_EVERY === 0) console.log(`${n - first + 1}/${cases}: ${JSON.stringify(count)}`)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
  } finally {
    run.end()
  }
  return count
}

/** What is damaged repeats with the seed as far as the folders do, which load and time make. */
async function onLiveCluster({ live, seed, first }: Flags) {
  const count = { quarantined: 0, refused: 0, healed: 0, snapshots: 0, failed: 0 }
  const run = await LiveRun.begin()
  try {
    for (let n = first; n < first + live; n++) {
      const part = PARTS[n % PARTS.length] ?? 'state'
      try {
        const { name, verdict, snapshots, acked } = await run.case(part, seededRandom(seed * 1_000_003 + n))
        count[verdict]++
        count.snapshots += snapshots
        console.log(`live ${n}: ${name}: ${verdict}, ${snapshots} snapshots, ${acked} acknowledged, none lost`)
      } catch (error) {
        count.failed++
        console.log(`live ${n}: ${error instanceof Error ? error.message : error}`)
        console.log(`  again: npm run damage -- --cases 0 --live 1 --first ${n} --seed ${seed}`)
      }
    }
  } finally {
    await run.end()
  }
  return count
}

async function main(flags: Flags): Promise<void> {
  const began = performance.now()
  const copies = flags.cases > 0 ? await onCopies(flags) : undefined
  const live = flags.live > 0 ? await onLiveCluster(flags) : undefined
  const seconds = Math.round((performance.now() - began) / 1000)
  const { cases, seed } = flags
  console.log(
    JSON.stringify({ cases, seed, ...copies, ...(live && { live: { cases: flags.live, ...live } }), seconds }),
  )
  process.exitCode = (copies?.failed ?? 0) + (live?.failed ?? 0) > 0 ? 1 : 0
}

const flags = await yargs(hideBin(process.argv))
  .usage(
    'Damages segments of the log and files of LevelDB, where snapshots lie too: they have no files of their own (docs/formats.md).',
  )
  .option('cases', { type: 'number', default: 2000, describe: 'bits flipped, ranges cut out or made zeros' })
  .option('live', { type: 'number', default: 0, describe: 'cases on three real nodes, about 8 s each' })
  .option('first', { type: 'number', default: 1, describe: 'number of the first case' })
  .option('seed', { type: 'number', default: 1 })
  .strict()
  .parse()
await main(flags)
