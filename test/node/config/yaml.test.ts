import { expect, test } from 'vitest'
import { parseYaml } from '../../../src/node/config/yaml.ts'

const BYTES = 64 * 1024
const fill = (piece: string) => piece.repeat(Math.ceil(BYTES / piece.length)).slice(0, BYTES)
const deep = Array.from({ length: 360 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')
const keys = Array.from({ length: 6000 }, (_, i) => `k${i}: 1`).join('\n')

test('what settings look like is read', () => {
  expect(parseYaml('# n1\nname: n1\ninitial_cluster: [n1=h:1, n2=h:2]\n')).toEqual({
    ...{ name: 'n1', initial_cluster: ['n1=h:1', 'n2=h:2'] },
  })
  expect(parseYaml('')).toBeNull()
})

test.each([
  ['brackets', fill('[')],
  ['braces', fill('{')],
  ['dashes', fill('- ')],
  ['questions', fill('? ')],
  ['indents', deep],
])('%s one in the other are refused by their depth', (_what, text) => {
  expect(() => parseYaml(text)).toThrow('nested more than 16 deep')
})

test.each([
  ['keys', keys],
  ['commas', `[${fill(',')}`],
  ['keys of one line', `{${fill('a,')}`],
  ['comments', fill('#\n')],
  ['directives', fill('%a\n')],
  ['documents', fill('---\n')],
  ['aliases', `- &a [x]\n${fill('- *a\n')}`],
])('too many %s are refused by their number', (_what, text) => {
  expect(() => parseYaml(text)).toThrow('more than 5000 tokens')
})

test('aliases that multiply are refused', () => {
  const nine = (inner: string) => `[${Array.from({ length: 9 }, () => inner).join(',')}]`
  const lines = Array.from('bcdefghi', (name, i) => `${name}: &${name} ${nine(`*${'abcdefgh'[i]}`)}`)
  expect(() => parseYaml(`a: &a ${nine('lol')}\n${lines.join('\n')}`)).toThrow('alias')
})
