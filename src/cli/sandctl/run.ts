// Runs sandctl: arguments to an exit code, with all data on stdout and all errors on stderr.
import { parseArguments } from './commands.ts'
import { type Context, contextOf, type Surroundings } from './context.ts'
import { EXIT, errorLine, exitCodeOf } from './exit.ts'

/** Resolves to the exit code; never rejects for what a user or a cluster can do wrong. */
export async function runSandctl(args: readonly string[], surroundings: Surroundings): Promise<number> {
  let context: Context | undefined
  try {
    const { text, command, options } = await parseArguments(args)
    context = contextOf(surroundings, options)
    if (command === undefined) {
      context.output.text(text)
      await context.output.end()
      return EXIT.ok
    }
    const code = await command(context)
    await context.output.end()
    return context.output.closed.aborted ? EXIT.ok : code
  } catch (error) {
    if (context?.output.closed.aborted) return EXIT.ok
    await context?.output.end()
    surroundings.stderr.write(errorLine(error))
    return exitCodeOf(error)
  }
}
