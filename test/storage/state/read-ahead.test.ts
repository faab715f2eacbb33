import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readAhead } from '../../../src/storage/state/files/read-ahead.ts'

let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sandglass-read-ahead-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

function file(n: number, bytes: number): string {
  const path = join(dir, `${n}`)
  writeFileSync(path, Buffer.alloc(bytes, n))
  return path
}

test('every file comes whole and in order, whatever lay in its buffer before', async () => {
  const sizes = [5000, 10, 0, 70_000, 1, 5000, 300_000, 0, 12, 9000, 4]
  const paths = sizes.map((bytes, n) => file(n, bytes))
  let n = 0
  for await (const bytes of readAhead(paths)) {
    expect(bytes.equals(Buffer.alloc(sizes[n] ?? 0, n))).toBe(true)
    n++
  }
  expect(n).toBe(sizes.length)
})

test('no file is none', async () => {
  expect(await readAhead([]).next()).toEqual({ value: undefined, done: true })
})

test('a file that cannot be read fails in its turn, behind those before it', async () => {
  const files = readAhead([file(1, 3), file(2, 3), join(dir, 'missing'), file(3, 3)])
  expect((await files.next()).value).toEqual(Buffer.alloc(3, 1))
  expect((await files.next()).value).toEqual(Buffer.alloc(3, 2))
  await expect(files.next()).rejects.toThrow('ENOENT')
})
