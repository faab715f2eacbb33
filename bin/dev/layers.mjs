// Layer check: runs dependency-cruiser over src/ and proves that it saw the modules. A cruiser that cannot read the
// TypeScript version at hand reports "no violations" over nothing; comparing with the files on disk catches that.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'

const onDisk = readdirSync('src', { recursive: true }).filter((f) => String(f).endsWith('.ts')).length
const run = spawnSync('npx', ['depcruise', 'src', '--config', '.dependency-cruiser.json', '--output-type', 'json'], {
  encoding: 'utf8',
  maxBuffer: 256 * 1024 * 1024,
})
if (run.error) throw run.error
let result
try {
  result = JSON.parse(run.stdout)
} catch {
  console.error(run.stdout, run.stderr)
  process.exit(1)
}
const seen = result.modules.filter((m) => m.source.startsWith('src/')).length
const edges = result.modules.reduce((n, m) => n + m.dependencies.length, 0)
for (const v of result.summary.violations) console.error(`layers: ${v.rule.name}: ${v.from} -> ${v.to}`)
if (seen < onDisk || edges === 0) {
  console.error(`layers: saw ${seen} of ${onDisk} modules and ${edges} imports`)
  process.exit(1)
}
if (result.summary.error > 0) process.exit(1)
console.log(`layers: ${seen} modules, ${edges} imports, no violation`)
