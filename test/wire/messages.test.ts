import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

test('the generated types are those of the protos', async () => {
  const script: string = '../../bin/dev/proto-types.mjs'
  const { protoTypes } = (await import(script)) as { protoTypes: () => string }
  expect(readFileSync('src/wire/messages.ts', 'utf8')).toBe(protoTypes())
})
