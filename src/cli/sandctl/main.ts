/** `sandctl`: the client program. */
import { EXIT } from './exit.ts'
import { runSandctl } from './run.ts'

/** An interrupted command settles what it holds; it does not get longer than this. */
const GRACE_MS = 5000

const interrupt = new AbortController()
let interrupts = 0
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The first lets the command end in good order, the second ends it at once.
    if (interrupts++ > 0) process.exit(EXIT.interrupted)
    setTimeout(() => process.exit(EXIT.interrupted), GRACE_MS).unref()
    interrupt.abort()
  })
}

const code = await runSandctl(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  interrupt: interrupt.signal,
})
// What is still open (a connection being made, a paused stdin) must not keep the program.
process.exit(code)
