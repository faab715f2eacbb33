/** What verify and inspect tell of a stopped node's folder, made by the real storage, and that they change nothing. */
import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { refuseLostLog } from '../../src/node/data-folder.ts'
import { inspectData, inspectFrames, unusedRanges, verifyData } from '../../src/node/examine.ts'
import { IDENTITY, openStored, storedFolder } from './stored-folder.ts'

let data: string

beforeEach(async () => {
  data = await storedFolder()
})
afterEach(() => rm(data, { recursive: true, force: true }))

test('a node whose log was deleted is not sound, and does not start', async () => {
  const wal = join(data, 'shard-0', 'wal')
  await refuseLostLog(data)
  for (const name of await readdir(wal)) if (name.endsWith('.wal')) await rm(join(wal, name))
  const { ok, damage } = await verifyData(data)
  expect([ok, damage]).toMatchObject([false, [{ file: wal, groups: undefined }]])
  await expect(refuseLostLog(data)).rejects.toMatchObject({ reason: 'DATA_DAMAGED' })
  await rm(wal, { recursive: true })
  await expect(refuseLostLog(data)).rejects.toThrow(/has no segment, though n1 is a node of a cluster/)
  await rm(join(data, 'identity.json'))
  await refuseLostLog(data)
})

/** Every name, size, time and byte below the folder. */
async function everything(): Promise<string> {
  const names = (await readdir(data, { recursive: true })).sort()
  const hash = createHash('sha256')
  for (const name of names) {
    const about = await stat(join(data, name))
    hash.update(`${name} ${about.mtimeMs}`)
    if (about.isFile()) hash.update(await readFile(join(data, name)))
  }
  return hash.digest('hex')
}

async function onlyFile(folder: string, pattern: RegExp): Promise<string> {
  const [name, ...more] = (await readdir(join(data, 'shard-0', folder))).filter((each) => pattern.test(each))
  if (name === undefined || more.length > 0) throw new Error(`not one file like ${pattern}`)
  return join(data, 'shard-0', folder, name)
}

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  await writeFile(path, bytes)
}

test('a sound folder: counts and no damage, segments and groups, and not a byte is changed', async () => {
  // Names that come and go show in the folder's own time.
  await utimes(join(data, 'shard-0', 'state'), 1, 1)
  const before = await everything()
  expect(await verifyData(data)).toMatchObject({
    node: { name: 'n1' },
    log: { segments: 1, groups: 2 },
    state: { groups: 1, rows: 50 },
    torn: undefined,
    damage: [],
    ok: true,
  })
  const { node, segments, groups } = await inspectData(data)
  expect(node).toEqual(IDENTITY)
  expect(segments).toMatchObject([
    {
      sealed: false,
      groups: [
        { group: 1, replica: 1001, first: 1, last: 3 },
        { group: 7, replica: 1007, first: 1, last: 2 },
      ],
    },
  ])
  expect(groups).toMatchObject([
    { group: 1, log: { lastIndex: 3, hard: { term: 1, vote: 1, commit: 3 } }, state: undefined },
    { group: 7, log: { lastIndex: 2 }, state: { applied: 2, term: 1, rows: 50 } },
  ])
  const kinds: string[] = []
  for await (const frame of inspectFrames(data)) kinds.push(JSON.stringify(frame))
  expect(kinds.length).toBeGreaterThan(2)
  const unused = await unusedRanges(data)
  expect(unused.map(({ file }) => file)).toContain(join(data, 'shard-0', 'state', 'LOG'))
  expect(await everything()).toBe(before)
})

test('damage of the log is told with file, offset and groups', async () => {
  const path = await onlyFile('wal', /^\d+\.wal$/)
  const bytes = await readFile(path)
  await flip(path, bytes.indexOf(Buffer.alloc(700, 1)) + 100)
  const { ok, damage } = await verifyData(data)
  expect(ok).toBe(false)
  expect(damage).toEqual([{ file: path, offset: expect.any(Number), groups: undefined, reason: expect.any(String) }])
  expect(damage[0]?.offset).toBeLessThan(bytes.indexOf(Buffer.alloc(700, 1)))
})

test('damage of the state is told, and a range called unused is not damage', async () => {
  for (const { file, from } of await unusedRanges(data)) await flip(file, from)
  expect((await verifyData(data)).damage).toEqual([])
  const path = await onlyFile('state', /^MANIFEST/)
  await flip(path, 20)
  const { ok, damage } = await verifyData(data)
  expect([ok, damage.length]).toEqual([false, 1])
  expect(damage[0]).toMatchObject({ file: path, groups: undefined })
})

test('damage of a table is told with file, offset and the groups that the log knows and the table may have held', async () => {
  await (await openStored(data)).close()
  const path = await onlyFile('state', /\.ldb$/)
  await flip(path, 20)
  expect((await verifyData(data)).damage).toEqual([
    { file: path, offset: 0, groups: [7], reason: expect.stringContaining('checksum of the block at 0') },
  ])
})

test('a checkpoint older than what the log relies on is told', async () => {
  const storage = await openStored(data)
  await new Promise<void>((done) =>
    storage.wal.append({ group: 7, replica: 1007, snapshot: { index: 9, term: 1 } }, done),
  )
  await storage.close()
  expect((await verifyData(data)).damage).toMatchObject([
    { groups: [7], offset: expect.any(Number), reason: 'group 7: its checkpoint is at 2, its log begins behind 9' },
  ])
})

test('a folder in use, one that is none, and one that is damaged at its name are refused', async () => {
  const storage = await openStored(data)
  await expect(verifyData(data)).rejects.toMatchObject({ reason: 'DATA_LOCKED' })
  await expect(inspectData(data)).rejects.toMatchObject({ reason: 'DATA_LOCKED' })
  await storage.close()
  await expect(verifyData(join(data, 'nowhere'))).rejects.toMatchObject({ reason: 'DATA_UNUSABLE' })
  await flip(join(data, 'identity.json'), 30)
  await expect(verifyData(data)).rejects.toMatchObject({ reason: 'DATA_DAMAGED' })
})
