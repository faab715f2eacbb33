/**
 * `npm run damage -- --cases N [--seed S]`: damages copies of a data folder, one place at a time, and checks that each is
 * noticed and costs only what it must. Prints what goes wrong with the words that repeat it, then a line of JSON; exit 1.
 */
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { seededRandom } from '../storage/simulated-disk.ts'
import { DamageRun } from './damage-run.ts'

const PROGRESS_EVERY = 200
const AT_ONCE = 8

async function main({ cases, seed, first }: { cases: number; seed: number; first: number }): Promise<void> {
  const began = performance.now()
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
  const seconds = Math.round((performance.now() - began) / 1000)
  console.log(JSON.stringify({ cases, seed, ...count, seconds }))
  process.exitCode = count.failed > 0 ? 1 : 0
}

const flags = await yargs(hideBin(process.argv))
  .usage(
    'Damages segments of the log and files of LevelDB, where snapshots lie too: they have no files of their own (docs/formats.md).',
  )
  .option('cases', { type: 'number', default: 2000, describe: 'bits flipped, ranges cut out or made zeros' })
  .option('first', { type: 'number', default: 1, describe: 'number of the first case' })
  .option('seed', { type: 'number', default: 1 })
  .strict()
  .parse()
await main(flags)
