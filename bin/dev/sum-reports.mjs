// Sums the runners' JSON reports in the given folder: "N passed, M failed". Each failure is named before it, for the
// output of the steps is long and its beginning is often cut off. No report, or no test, is a failure.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const MESSAGE_LINES = 20

const folder = process.argv[2]
if (folder === undefined) {
  console.error('usage: node bin/dev/sum-reports.mjs FOLDER')
  process.exit(2)
}

function indented(message) {
  return (message ?? '').split('\n', MESSAGE_LINES).join('\n    ')
}

/** The failures of one test file. A suite that fails to load has no tests to fail. */
function failuresOf(file) {
  const tests = file.assertionResults.filter((test) => test.status === 'failed')
  if (tests.length === 0 && file.status === 'failed') return [`${file.name}\n    ${indented(file.message)}`]
  return tests.map((test) => `${file.name}: ${test.fullName}\n    ${indented(test.failureMessages?.[0])}`)
}

let passed = 0
let failed = 0
for (const name of readdirSync(folder).filter((n) => n.endsWith('.json'))) {
  const report = JSON.parse(readFileSync(join(folder, name), 'utf8'))
  passed += report.numPassedTests
  const failures = report.testResults.flatMap(failuresOf)
  for (const failure of failures) console.log(`FAILED ${failure}`)
  // The simulator and the mutants name theirs in the output of their step.
  const unnamed = Math.max(0, report.numFailedTests - failures.length)
  if (unnamed > 0) console.log(`FAILED ${unnamed} in ${name}: see its step`)
  failed += failures.length + unnamed
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 || passed === 0 ? 1 : 0)
