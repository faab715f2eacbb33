import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SandglassError } from '../../src/base/errors.ts'
import { errorOf, Surroundings } from './run-sandctl.ts'

const here = new Surroundings()

test('wrong usage is exit 2 with the form of all errors', async () => {
  const wrong = [
    [],
    ['nonsense'],
    ['topics'],
    ['topics', 'create', 'x'],
    ['topics', 'create', 'x', '--num_partitions', 'many', '--replication_factor', '1'],
    ['produce', here.topic],
    ['produce', here.topic, 'x', '--delay', 'soon'],
    ['produce', here.topic, 'x', '--at', 'tomorrow'],
    ['produce', here.topic, 'x', '--delay', '1s', '--at', '1'],
    ['produce', here.topic, 'x', '--colour', 'red'],
    ['produce', here.topic, '--file', join(here.folder, 'nothing.jsonl')],
    ['consume', here.topic, '-o', 'xml'],
    ['consume', here.topic, '--timeout', '10'],
    ['consume', here.topic, '--limit', '-1'],
    ['consume', here.topic, '--limit', '0'],
    ['consume', here.topic, '--lease', '0s'],
    ['produce', here.topic, 'x', '--at', '2027-02-30T00:00:00Z'],
    ['produce', here.topic, 'x', '--', 'y'],
    ['topics', 'list', '--addrs', 'here'],
    ['topics', 'list', '--addrs', ','],
    ['produce', here.topic, '--file', here.folder],
  ]
  for (const args of wrong) {
    const ran = await here.run(...args)
    expect([ran.code, ran.stdout, errorOf(ran).reason], args.join(' ')).toEqual([2, '', 'USAGE'])
  }
})

test('what is not known is named as it was written', async () => {
  const messages = {
    '--colour red': 'Unknown flag --colour; --help lists what there is',
    'topics list --dry_run': 'Unknown flag --dry_run; --help lists what there is',
    'topics frobnicate': 'Unknown word frobnicate; --help lists what there is',
    'produce t x y --fast': 'Unknown flag --fast; Unknown word y; --help lists what there is',
  }
  for (const [line, message] of Object.entries(messages)) {
    const ran = await here.run(...line.split(' '))
    expect([ran.code, errorOf(ran).message]).toEqual([2, message])
  }
})

test('errors have the exit code of their kind', async () => {
  const codes = {
    TOPIC_EXISTS: 1,
    INVALID: 1,
    NO_QUORUM: 3,
    SHUTTING_DOWN: 3,
    COMMIT_UNKNOWN: 4,
  } as const
  for (const [reason, code] of Object.entries(codes) as [keyof typeof codes, number][]) {
    here.server.refuse = undefined
    const running = here.start(['produce', here.topic, 'x', '--timeout', '400ms', '-o', 'jsonl'])
    here.server.refuse = new SandglassError(reason, `Cannot: ${reason}`)
    const ran = await running.ended
    expect([reason, ran.code, ran.stdout]).toEqual([reason, code, ''])
  }
  here.server.refuse = undefined
  const unreachable = await here.run('topics', 'list', '-s', '127.0.0.1:1', '--timeout', '300ms')
  expect([unreachable.code, errorOf(unreachable).reason]).toEqual([3, 'UNREACHABLE'])
})
