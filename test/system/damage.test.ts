/** A few of the cases that `npm run damage -- --live 20` tries on three real nodes; each rejects unless all books balance. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LiveRun } from '../damage/live-run.ts'
import { seededRandom } from '../storage/simulated-disk.ts'

const CASE_MS = 240_000

let run: LiveRun

beforeAll(async () => {
  run = await LiveRun.begin()
}, CASE_MS)
afterAll(() => run?.end())

test(
  'a node whose log is damaged goes on without the replicas concerned: status and metric say so after every start, ' +
    'the others lose nothing, and nothing is acknowledged with its help',
  async () => {
    expect((await run.case('partition', seededRandom(1))).verdict).toBe('quarantined')
  },
  CASE_MS,
)

test(
  'a node whose state is damaged heals in place by a snapshot; its folder is sound afterwards, and it serves the books',
  async () => {
    const { verdict, snapshots } = await run.case('table', seededRandom(2))
    expect(verdict).toBe('healed')
    expect(snapshots).toBeGreaterThan(0)
  },
  CASE_MS,
)

test(
  'a node that lost its replica of the catalog does not start, and the others go on',
  async () => {
    expect((await run.case('newest', seededRandom(3))).verdict).toBe('refused')
  },
  CASE_MS,
)
