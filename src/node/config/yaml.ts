/**
 * YAML of bounded cost. The library takes quadratic time for many tokens and recurses with the depth, at the end of the
 * stack in a way that ends the process: both are counted by its own lexer and parser of tokens, which do neither.
 */
import { Lexer, Parser, parse } from 'yaml'

/** What a settings file needs many times over, comments included; at most some 100 ms. */
const TOKENS_MAX = 5000
const DEPTH_MAX = 16

/** Throws for what is not YAML, or is more of it than settings can be. */
export function parseYaml(text: string): unknown {
  const parser = new Parser()
  let tokens = 0
  for (const lexeme of new Lexer().lex(text)) {
    if (++tokens > TOKENS_MAX) throw new Error(`it has more than ${TOKENS_MAX} tokens`)
    for (const _ of parser.next(lexeme));
    if (parser.stack.length > DEPTH_MAX) throw new Error(`it is nested more than ${DEPTH_MAX} deep`)
  }
  // Its warnings would go to stderr by themselves.
  return parse(text, { logLevel: 'error' })
}
