// Sums the runners' JSON reports in the given folder: "N passed, M failed". No report, or no test, is a failure.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = process.argv[2]
if (folder === undefined) {
  console.error('usage: node bin/dev/sum-reports.mjs FOLDER')
  process.exit(2)
}
let passed = 0
let failed = 0
for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  const report = JSON.parse(readFileSync(join(folder, file), 'utf8'))
  passed += report.numPassedTests
  // A suite that fails to load has no tests to fail.
  failed +=
    report.numFailedTests +
    report.testResults.filter((r) => r.status === 'failed' && r.assertionResults.length === 0).length
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 || passed === 0 ? 1 : 0)
