/** Runs one script file: every directive in turn, until the first whose output is not the expected text. */
import { ConfChangeScript } from './confchange-script.ts'
import { unifiedDiff } from './diff.ts'
import { type Directive, parseScript } from './grammar.ts'
import { Interaction } from './interaction.ts'
import { runQuorum } from './quorum-script.ts'

export interface ScriptResult {
  /** Directives whose output was the expected one, and the others: the one that failed and all behind it. */
  readonly passed: number
  readonly failed: number
  /** Line, command and diff of the directive that failed; those behind it were not run, since state is cumulative. */
  readonly failure?: string
}

/** With `ignoreLog` lines that begin with a log level do not count. A file that cannot be read as a script is one failure. */
export function runScript(text: string, ignoreLog = false): ScriptResult {
  const directives = parsed(text)
  if (typeof directives === 'string') return { passed: 0, failed: 1, failure: directives }
  const run = runnerFor(directives)
  for (const [at, directive] of directives.entries()) {
    const actual = comparable(attempt(run, directive), ignoreLog)
    const expected = comparable(directive.expected, ignoreLog)
    if (actual !== expected) {
      const failure = `line ${directive.line}: ${directive.command}\n${unifiedDiff(expected, actual)}`
      return { passed: at, failed: directives.length - at, failure }
    }
  }
  return { passed: directives.length, failed: 0 }
}

/** The file with what comes now in place of what was expected; comments stay. For writing scripts: read it before you trust it. */
export function rewriteScript(text: string): string {
  const directives = parseScript(text)
  const run = runnerFor(directives)
  const source = text.split('\n')
  const out: string[] = []
  let from = 0
  for (const directive of directives) {
    const separator = source.indexOf('----', directive.line - 1)
    out.push(...source.slice(from, separator + 1), ...ended(run(directive)).split('\n').slice(0, -1))
    from = separator + 1 + directive.expected.split('\n').length - 1
  }
  return [...out, ...source.slice(from)].join('\n')
}

/** Or why it cannot be read. */
function parsed(text: string): Directive[] | string {
  try {
    return parseScript(text)
  } catch (error) {
    return String(error)
  }
}

/** What kind of script it is, told from its commands. */
function runnerFor(directives: readonly Directive[]): (directive: Directive) => string {
  const commands = new Set(directives.map(({ command }) => command))
  if (commands.has('committed') || commands.has('vote')) return runQuorum
  if (commands.has('simple') || commands.has('enter-joint') || commands.has('leave-joint')) {
    const script = new ConfChangeScript()
    return (directive) => script.run(directive)
  }
  const interaction = new Interaction()
  return (directive) => interaction.run(directive)
}

/** A broken invariant ends the file like any other mismatch, and shows what broke. */
function attempt(run: (directive: Directive) => string, directive: Directive): string {
  try {
    return run(directive)
  } catch (error) {
    return error instanceof Error ? `${error.stack}` : String(error)
  }
}

function ended(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}

function comparable(text: string, ignoreLog: boolean): string {
  if (!ignoreLog) return ended(text)
  const kept = ended(text)
    .split('\n')
    .filter((line) => !/^\s*(DEBUG|INFO|WARN|ERROR) /.test(line))
    .join('\n')
  return kept === '' ? 'ok\n' : kept
}
