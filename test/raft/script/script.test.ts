import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseScript } from './grammar.ts'
import { rewriteScript, runScript } from './run-script.ts'

const SCENARIOS = new URL('./scenarios/', import.meta.url)

describe('scenarios', () => {
  test.each(readdirSync(SCENARIOS))('%s comes out as written', (file) => {
    const result = runScript(readFileSync(new URL(file, SCENARIOS), 'utf8'))
    expect(result.failure).toBeUndefined()
    expect(result.failed).toBe(0)
    expect(result.passed).toBeGreaterThan(5)
  })
})

describe('the script runner', () => {
  test('reads arguments with and without values, lists, and lines that go on', () => {
    const [directive] = parseScript(
      '# a comment\n\nmove 3 to=(a, b,c) \\\n  how= with=care\nline one\n\n----\nout\n\nrest',
    )
    expect(directive).toEqual({
      line: 3,
      command: 'move',
      args: [
        { key: '3', values: [] },
        { key: 'to', values: ['a', 'b', 'c'] },
        { key: 'how', values: [''] },
        { key: 'with', values: ['care'] },
      ],
      input: 'line one',
      expected: 'out\n',
    })
  })

  test('takes all the rest as input where no separator follows, and expects nothing', () => {
    expect(parseScript('a\nb\n\nc\n')).toEqual([{ line: 1, command: 'a', args: [], input: 'b\n\nc', expected: '' }])
    expect(runScript('raft-state\n\nraft-state\n')).toMatchObject({ passed: 0, failed: 1 })
  })

  test('takes an output with blank lines between doubled separators', () => {
    const [first, second] = parseScript('a\n----\n----\none\n\ntwo\n----\n----\n\nb\n----\nok\n')
    expect(first?.expected).toBe('one\n\ntwo\n')
    expect(second?.command).toBe('b')
  })

  test('stops at the first mismatch, shows both sides, and counts the rest of the file as failed', () => {
    const won = 'vote cfg=(1) votes=(y)\n----\nVoteWon\n\n'
    const result = runScript(`${won}vote cfg=(1) votes=(y)\n----\nVoteLost\n\n${won}${won}`)
    expect(result).toEqual({ passed: 1, failed: 3, failure: expect.stringContaining('-VoteLost\n+VoteWon') })
  })

  test.each([
    ['interaction', 'frobnicate\n----\nok\n'],
    ['quorum', 'vote cfg=(1) votes=(y)\n----\nVoteWon\n\nfrobnicate\n----\nok\n'],
    ['configurations', 'simple\nv1\n----\nvoters=(1)\n1: StateProbe match=0 next=1\n\nfrobnicate\n----\nok\n'],
    ['words that are no command', '=\n----\nok\n'],
  ])('counts a directive it does not know as failed: %s', (_, script) => {
    expect(runScript(script)).toMatchObject({ failed: 1, failure: expect.any(String) })
    expect(runScript(script, true)).toMatchObject({ failed: 1 })
    expect(runScript(script.replace('ok\n', 'unknown command\n'))).toMatchObject({ failed: 1 })
  })

  test('leaves log lines out of the comparison when told to', () => {
    const script =
      'add-nodes 1 voters=(1) index=2\n----\nINFO in other words\n\nraft-state\n----\n1: StateFollower (Voter) Term:0 Lead:0\n'
    expect(runScript(script, true).failure).toBeUndefined()
    expect(runScript(script, false).failure).toContain('in other words')
  })

  test('a command it does not know, and a broken invariant, fail the file', () => {
    expect(runScript('frobnicate\n----\nok\n').failure).toContain('unknown command')
    expect(runScript('campaign 4\n----\nok\n').failure).toContain('no node 4')
  })

  test('rewriting keeps comments and fills in what comes', () => {
    const script = '# why\nvote cfg=(1) votes=(n)\n----\n\n# and\nvote\n----\nold\n'
    expect(rewriteScript(script)).toBe('# why\nvote cfg=(1) votes=(n)\n----\nVoteLost\n\n# and\nvote\n----\nVoteWon\n')
  })
})
