/** Ten rounds of what `npm run cuts` does two hundred times. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { seededRandom } from '../storage/simulated-disk.ts'
import { CutRounds } from './cut-rounds.ts'
import { buildShim } from './power-cut.ts'

const ROUNDS = 10

let folder = ''
let rounds: CutRounds | undefined

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandglass-cuts-'))
  rounds = await CutRounds.start(buildShim(folder), seededRandom(4))
})
afterAll(async () => {
  await rounds?.close()
  rmSync(folder, { recursive: true, force: true })
})

test(`after each of ${ROUNDS} rounds of kills and power cuts at full load the books balance`, async () => {
  let lostBytes = 0
  let acked = 0
  for (let n = 1; n <= ROUNDS; n++) {
    const round = await rounds?.run(n)
    expect(round?.books).toMatchObject({ lost: 0, wrong: [] })
    lostBytes += round?.lostBytes ?? 0
    acked += round?.books.acked ?? 0
  }
  expect(lostBytes).toBeGreaterThan(0)
  expect(acked).toBeGreaterThan(ROUNDS * 500)
}, 600_000)
