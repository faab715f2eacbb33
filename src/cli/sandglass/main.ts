/** `sandglass`: takes the signals, then loads the program, which takes a while. */
import { StopSignals } from './signals.ts'

const signals = new StopSignals()
const { runSandglass } = await import('./program.ts')
await runSandglass(process.argv.slice(2), signals)
