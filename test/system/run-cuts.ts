/**
 * `npm run cuts -- --rounds N [--seed S]`: nodes are killed and lose their power at full load, N times over. One line a
 * round, then a line of JSON; exit 1 with what went wrong. The seed repeats who is hit, not the moment.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { seededRandom } from '../storage/simulated-disk.ts'
import { CutRounds } from './cut-rounds.ts'
import { buildShim } from './power-cut.ts'

async function main({ rounds, seed }: { rounds: number; seed: number }): Promise<void> {
  const began = performance.now()
  const folder = mkdtempSync(join(tmpdir(), 'sandglass-cuts-'))
  const total = { rounds: 0, acked: 0, unknown: 0, lost: 0, lostBytes: 0, readyMsMax: 0 }
  let running: CutRounds | undefined
  try {
    running = await CutRounds.start(buildShim(folder), seededRandom(seed))
    for (let n = 1; n <= rounds; n++) {
      const { blows, lostBytes, readyMs, booksOf, books } = await running.run(n)
      total.rounds++
      total.acked += books.acked
      total.unknown += books.unknown
      total.lost += books.lost
      total.lostBytes += lostBytes
      total.readyMsMax = Math.max(total.readyMsMax, readyMs)
      const hit = Object.entries(blows).map(([name, blow]) => `${blow} ${name}`)
      const { acked, unknown, lost } = books
      console.log(
        `round ${n}/${rounds}: ${hit.join(', ')}; power took ${lostBytes} bytes; ready after ${readyMs} ms; books of ${booksOf}: ` +
          `${acked} acknowledged, ${unknown} unknown, ${lost} lost`,
      )
    }
  } finally {
    await running?.close()
    rmSync(folder, { recursive: true, force: true })
    const seconds = Math.round((performance.now() - began) / 1000)
    console.log(JSON.stringify({ ...total, seed, seconds }))
  }
}

const flags = await yargs(hideBin(process.argv))
  .option('rounds', { type: 'number', default: 200 })
  .option('seed', { type: 'number', default: Date.now() % 1_000_000 })
  .strict()
  .parse()
await main(flags)
