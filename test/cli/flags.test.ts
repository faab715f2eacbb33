/** Every flag of sandctl takes what it says, and refuses everything else by its name with exit code 2. */
import { Readable, Writable } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseArguments } from '../../src/cli/sandctl/commands.ts'
import { contextOf } from '../../src/cli/sandctl/context.ts'
import { UsageError } from '../../src/cli/sandctl/exit.ts'
import { runSandctl } from '../../src/cli/sandctl/run.ts'
import { number, text, WHOLE } from '../limits/values.ts'

const none = new Writable({ write: (_chunk, _encoding, done) => done() })
const surroundings = {
  stdin: Readable.from([]),
  stdout: none,
  stderr: none,
  environment: {},
  interrupt: new AbortController().signal,
}

/** What the command line is refused with; undefined: it is taken. Runs nothing. */
async function refused(args: readonly string[]): Promise<string | undefined> {
  try {
    const { options } = await parseArguments(args)
    contextOf(surroundings, options)
    return undefined
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return error.message
  }
}

const produce = ['produce', 't', 'x']
const consume = ['consume', 't']
const create = ['topics', 'create', 't']
const both = [...create, '--num_partitions', '1', '--replication_factor']
const bench = ['bench', 'produce']

/** Flag, the words before it, and what it takes. */
const FLAGS: readonly (readonly [flag: string, words: readonly string[], takes: readonly string[]])[] = [
  ['--num-partitions', [...create, '--replication_factor', '1'], ['1', '1024']],
  ['--replication-factor', both.slice(0, -1), ['1', '7']],
  ['--partition', produce, ['0', '1023']],
  ['--partition', consume, ['0', '1023']],
  ['-n', produce, ['0', '1', '9007199254740991']],
  ['--limit', consume, ['1', '9007199254740991']],
  ['--delay', produce, ['0', '250ms', '3d', '3660d']],
  ['--at', produce, ['0', '1', '2030-01-31T08:00:00Z']],
  ['--lease', consume, ['1ms', '3660d']],
  ['--timeout', consume, ['1ms', '24d']],
  ['-n', bench, ['1', '10000000']],
  ['--bytes', bench, ['0', '1048576']],
  ['--concurrency', bench, ['1', '100000']],
  ['--group', consume, ['g', 'a.B_c-9']],
  ['--name', consume, ['n']],
  ['--channel', consume, ['c', '__dead_letter']],
  ['--channel', produce, ['c']],
  ['--topic', ['groups', 'list'], ['t']],
  ['--addrs', ['topics', 'list'], ['a:1', 'a:1,[::1]:65535']],
  ['--output', ['topics', 'list'], ['table', 'json', 'jsonl']],
]

/** None of them is a value of any flag, but for text. */
const NEVER = [
  '',
  '-1',
  '0.5',
  '1.5',
  '0x10',
  '1e3',
  'NaN',
  'Infinity',
  '-Infinity',
  '9007199254740992',
  '1e400s',
  'ten',
  ' 1',
]
const NAMES = new Set(['--group', '--name', '--channel', '--topic'])

/** Also of a short flag: as one word, so that a value that begins with `-` is one. */
function long(flag: string, value: string): string {
  return `--${flag.replace(/^-+/, '')}=${value}`
}

test.each(FLAGS)('%s of %j takes %j and nothing beyond', async (flag, words, takes) => {
  for (const value of takes) expect([value, await refused([...words, flag, value])]).toEqual([value, undefined])
  const never = NAMES.has(flag) ? ['', 'a b', 'ß', '../x', 'x'.repeat(129)] : NEVER
  for (const value of never) {
    expect([value, await refused([...words, long(flag, value)])]).toEqual([value, expect.stringContaining(flag)])
  }
  const [value = ''] = takes
  for (const wrong of [[flag, value, flag, value], [flag], [`--no-${flag.replace(/^-+/, '')}`]]) {
    // Lists of addresses add up.
    if (flag === '--addrs' && wrong.length === 4) continue
    expect([wrong, await refused([...words, ...wrong])]).toEqual([wrong, expect.any(String)])
  }
})

test('whatever stands behind a flag, it is taken or refused by its name, and never thrown at', async () => {
  const value = fc.oneof(
    text,
    number.map(String),
    fc.constantFrom(...WHOLE).map((of) => `${of}s`),
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...FLAGS), value, async ([flag, words], given) => {
      const message = await refused([...words, long(flag, given)])
      if (message !== undefined) expect(message).toContain(flag)
    }),
    { numRuns: 100 },
  )
})

test.each([
  ['--follow', ['consume', 't', '--follow=maybe']],
  ['--ack', ['consume', 't', '--ack=5']],
  ['--kind', [...both, '1', '--kind', 'timer', '--kind', 'kv']],
  ['--key', [...produce, '--key', 'x'.repeat(4097)]],
  ['--at', [...produce, '--at', '281474976710655']],
  ['OFFSET', ['messages', 'get', '05E4ECYW2G0G40R40000A1G71O']],
  ['NAME', ['topics', 'describe', 'a b']],
  ['NAME', ['topics', 'create', '__x', '--num_partitions', '1', '--replication_factor', '1']],
  ['TOPIC', ['consume', '']],
])('%s is refused by its name: %j', async (name, args) => {
  expect(await refused(args)).toContain(name)
  expect(await runSandctl(args, surroundings)).toBe(2)
})
