/** What yargs says about wrong arguments, in the words the user wrote. */

/** `Unknown argument: colour` becomes `Unknown flag --colour` if that is how it was written. Other texts stay. */
export function usageText(message: string, words: readonly string[]): string {
  const list = /^Unknown (?:argument|command)s?: (.+)$/.exec(message)?.[1]
  if (list === undefined) return message
  const unknown = list.split(', ')
  const flags = new Set(unknown.map((word) => flagOf(word, words)).filter((flag) => flag !== undefined))
  const others = new Set(unknown.filter((word) => flagOf(word, words) === undefined))
  const texts: string[] = []
  if (flags.size > 0) texts.push(`Unknown flag ${[...flags].join(', ')}`)
  if (others.size > 0) texts.push(`Unknown word ${[...others].join(', ')}`)
  return `${texts.join('; ')}; --help lists what there is`
}

/** As it was written; yargs may have turned `-` into capitals. */
function flagOf(name: string, words: readonly string[]): string | undefined {
  const same = (word: string) => plain(word) === plain(name)
  return words.map((word) => word.split('=')[0] ?? '').find((word) => word.startsWith('-') && same(word))
}

function plain(word: string): string {
  return word.replaceAll(/[-_]/g, '').toLowerCase()
}
