/**
 * Script files: directives, each a command with arguments, perhaps input lines, `----`, and the expected output up to a
 * blank line (or, if the output begins with a second `----`, up to two of those in a row).
 */
export interface Argument {
  readonly key: string
  /** Of `key=value` one, of `key=(a,b)` several, of a bare `key` none. */
  readonly values: readonly string[]
}

export interface Directive {
  readonly line: number
  readonly command: string
  readonly args: readonly Argument[]
  readonly input: string
  readonly expected: string
}

/** Throws an Error that names the line for what is no directive. */
export function parseScript(text: string): Directive[] {
  const lines = text.split('\n')
  const directives: Directive[] = []
  let at = 0
  while (at < lines.length) {
    if (isSkipped(lines[at] ?? '')) {
      at++
      continue
    }
    const line = at + 1
    const head = joinContinued(lines, at)
    const input = takeInput(lines, head.next)
    const expected = takeExpected(lines, input.next)
    at = expected.next
    const { command, args } = parseCommand(head.text, line)
    directives.push({ line, command, args, input: input.text, expected: expected.text })
  }
  return directives
}

interface Taken {
  readonly text: string
  readonly next: number
}

function isSkipped(line: string): boolean {
  const trimmed = line.trim()
  return trimmed === '' || trimmed.startsWith('#')
}

function joinContinued(lines: readonly string[], start: number): Taken {
  let text = (lines[start] ?? '').trim()
  let next = start + 1
  while (text.endsWith('\\') && next < lines.length) {
    text = `${text.slice(0, -1).trim()} ${(lines[next] ?? '').trim()}`
    next++
  }
  return { text, next }
}

function takeInput(lines: readonly string[], start: number): Taken {
  const end = lines.indexOf('----', start)
  // Without a separator all the rest is input.
  if (end === -1) return { text: lines.slice(start).join('\n').trim(), next: lines.length }
  return { text: lines.slice(start, end).join('\n').trim(), next: end + 1 }
}

function takeExpected(lines: readonly string[], start: number): Taken {
  if (lines[start] === '----') return takeBlankTolerant(lines, start + 1)
  let next = start
  while (next < lines.length && (lines[next] ?? '').trim() !== '') next++
  return { text: ended(lines.slice(start, next)), next }
}

function takeBlankTolerant(lines: readonly string[], start: number): Taken {
  let next = start
  while (next < lines.length && !(lines[next] === '----' && lines[next + 1] === '----')) next++
  return { text: ended(lines.slice(start, next)), next: next + 2 }
}

function ended(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

/** A command and its arguments, which are separated by spaces outside of parentheses. */
export function parseCommand(text: string, line: number): { command: string; args: Argument[] } {
  const [command, ...words] = splitOutside(text, ' ').filter((word) => word !== '')
  if (command === undefined) throw new Error(`line ${line}: no command`)
  return { command, args: words.map(parseArgument) }
}

function parseArgument(word: string): Argument {
  const equals = word.indexOf('=')
  if (equals === -1) return { key: word, values: [] }
  const key = word.slice(0, equals)
  const value = word.slice(equals + 1)
  if (!value.startsWith('(')) return { key, values: [value] }
  const list = splitOutside(value.slice(1, value.lastIndexOf(')')), ',').map((one) => one.trim())
  return { key, values: list.length === 1 && list[0] === '' ? [] : list }
}

function splitOutside(text: string, separator: string): string[] {
  const parts: string[] = []
  let depth = 0
  let part = ''
  for (const char of text) {
    if (char === '(') depth++
    else if (char === ')') depth--
    if (char === separator && depth === 0) {
      parts.push(part)
      part = ''
    } else part += char
  }
  return [...parts, part]
}
