import { expect, test } from 'vitest'
import { InternalErrors } from '../../../src/node/observe/internal-errors.ts'
import type { Log } from '../../../src/node/observe/log.ts'
import { VirtualTime } from '../../virtual-env.ts'

function noted() {
  const lines: { event: string; fields: Readonly<Record<string, unknown>> }[] = []
  const take: Log['error'] = (event, fields = {}) => void lines.push({ event, fields })
  const time = new VirtualTime()
  return { lines, time, errors: new InternalErrors(time.env(), { debug: take, info: take, warn: take, error: take }) }
}

test('an error told as INTERNAL is logged with its stack, ten a minute, and how many more there were', async () => {
  const { lines, time, errors } = noted()
  for (let i = 0; i < 25; i++) errors.note(new Error(`unexpected ${i}`))
  expect(lines).toHaveLength(10)
  expect(lines[9]?.fields).toMatchObject({ error: 'unexpected 9', stack: expect.stringContaining('internal-errors') })
  await time.run(60_000)
  expect(lines.slice(10)).toEqual([{ event: 'internal_errors_left_out', fields: { count: 15 } }])
  errors.note('of the next minute')
  expect(lines.at(-1)).toMatchObject({ event: 'internal_error', fields: { error: 'of the next minute' } })
})

test('a node that ends says how many it left out', () => {
  const { lines, errors } = noted()
  for (let i = 0; i < 12; i++) errors.note(new Error('unexpected'))
  errors.close()
  expect(lines.at(-1)).toEqual({ event: 'internal_errors_left_out', fields: { count: 2 } })
})
