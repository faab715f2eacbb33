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
  .option('cases', { type: 'number', default: 2000 })
  .option('first', { type: 'number', default: 1 })
  .option('seed', { type: 'number', default: 1 })
  .strict()
  .parse()
await main(flags)
