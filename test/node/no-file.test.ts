/** Something else stands where a file of the data folder should be, or it may not be read: refused by path, and nothing waits. */
import { execFileSync } from 'node:child_process'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { usingData } from '../../src/node/data-error.ts'
import { checkDataFolder } from '../../src/node/data-folder.ts'
import { verifyData } from '../../src/node/examine.ts'
import { createIdentityStore } from '../../src/node/formation/identity-file.ts'
import { openStored, storedFolder } from './stored-folder.ts'

let data: string

beforeEach(async () => {
  data = await storedFolder()
})
afterEach(() => rm(data, { recursive: true, force: true }))

const KINDS = {
  pipe: (path: string) => execFileSync('mkfifo', [path]),
  folder: (path: string) => mkdir(path),
}

/** Puts it in the place of the one file like `pattern` in `folder`, or of none under that name. */
async function replace(folder: string, pattern: RegExp, kind: keyof typeof KINDS): Promise<string> {
  const found = (await readdir(join(data, folder))).find((name) => pattern.test(name))
  const path = join(data, folder, found ?? pattern.source)
  await rm(path, { force: true })
  await KINDS[kind](path)
  return path
}

/** What a node opens as it starts, in its order. */
async function start(): Promise<void> {
  await checkDataFolder(data)
  await usingData(data, () => createIdentityStore(data).read())
  await (await openStored(data)).close()
}

const WAL = join('shard-0', 'wal')
const STATE = join('shard-0', 'state')
const PLACES: readonly (readonly [string, RegExp])[] = [
  ['.', /identity.json/],
  [WAL, /\.wal$/],
  [WAL, /DAMAGED.json/],
  [STATE, /CURRENT/],
  [STATE, /MANIFEST-\d+/],
  [STATE, /\.log$/],
  [STATE, /LOCK/],
  [STATE, /LOG/],
  [STATE, /DAMAGED.json/],
  [STATE, /DAMAGED.json.new/],
  // What LevelDB would write next.
  [STATE, /000099.ldb/],
]

describe.each(['pipe', 'folder'] as const)('a %s in the place of', (kind) => {
  test.each(PLACES)('%s/%s: neither a start nor a look waits, and both name it', async (folder, pattern) => {
    const path = await replace(folder, pattern, kind)
    const message = expect.stringMatching(
      new RegExp(`^Cannot use data ${data}: ${path}: it is a ${kind}, not a file \\(E\\w+\\)$`),
    )
    const refusal = { reason: 'DATA_UNUSABLE', field: 'data', message, action: expect.stringContaining('move it away') }
    await expect(start()).rejects.toMatchObject(refusal)
    await expect(verifyData(data)).rejects.toMatchObject(refusal)
  })

  test('the reserve of the log, which is only for whoever writes, stops a start', async () => {
    const path = await replace(WAL, /reserve/, kind)
    await expect(start()).rejects.toMatchObject({ reason: 'DATA_UNUSABLE', message: expect.stringContaining(path) })
  })
})

test.each([WAL, STATE, 'shard-0'])('a pipe in the place of the folder %s is refused as well', async (folder) => {
  await rm(join(data, folder), { recursive: true })
  KINDS.pipe(join(data, folder))
  await expect(start()).rejects.toMatchObject({ reason: 'DATA_UNUSABLE', message: expect.stringContaining(folder) })
  await expect(verifyData(data)).rejects.toMatchObject({ reason: 'DATA_UNUSABLE' })
})

test('what a database put aside stays no reason', async () => {
  await mkdir(join(data, STATE, 'lost'))
  await start()
  expect(await verifyData(data)).toMatchObject({ ok: true })
})
