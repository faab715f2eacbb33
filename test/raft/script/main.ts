/**
 * `npm run -s raft:script -- [--ignore-log] [--rewrite] FILE...`: runs script files against the core, prints a diff for each
 * mismatch and how many directives passed and failed (of a file: from its first mismatch on), and exits 1 if one failed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { rewriteScript, runScript } from './run-script.ts'

const flags = new Set(process.argv.slice(2).filter((arg) => arg.startsWith('--')))
const files = process.argv.slice(2).filter((arg) => !arg.startsWith('--'))
let passed = 0
let failed = 0

if (files.length === 0) {
  console.error('usage: npm run -s raft:script -- [--ignore-log] [--rewrite] FILE...')
  process.exit(2)
}
for (const file of files) {
  const text = readFileSync(file, 'utf8')
  if (flags.has('--rewrite')) {
    writeFileSync(file, rewriteScript(text))
    continue
  }
  const result = runScript(text, flags.has('--ignore-log'))
  if (result.failure !== undefined) console.log(`${file}: ${result.failure}\n`)
  passed += result.passed
  failed += result.failed
}
if (!flags.has('--rewrite')) console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
