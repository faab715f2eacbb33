// Builds dist/ from src/, demo/, bench/, chaos/ and the runners under test/. Removes what an older build left, so that a deleted module
// cannot run on.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'

rmSync('dist', { recursive: true, force: true })
const run = spawnSync('npx', ['tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
if (run.error) throw run.error
process.exit(run.status ?? 1)
