/** `sandglass`: takes the signals, then loads the program, which takes a while and many files at once. */
import { StartError } from '../../node/start-error.ts'
import { errorLine } from './error-line.ts'
import { StopSignals } from './signals.ts'

const signals = new StopSignals()
const { runSandglass } = await import('./program.ts').catch((cause: unknown) => {
  const why = cause instanceof Error ? cause.message : String(cause)
  process.stderr.write(errorLine(new StartError('PROGRAM_UNUSABLE', `Cannot load the program: ${why}`, { cause })))
  process.exit(1)
})
await runSandglass(process.argv.slice(2), signals)
