/**
 * The data folder before anything is opened in it: made when it is missing, and refused with the setting's name and the
 * reason when it cannot be used. Whether another process has it, and what it holds, is asked later.
 */
import { constants } from 'node:fs'
import { access, mkdir, readdir, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { segmentNumber } from '../storage/wal/segment.ts'
import { usingData } from './data-error.ts'
import type { Identity } from './formation/identity.ts'
import { createIdentityStore } from './formation/identity-file.ts'
import { StartError } from './start-error.ts'

/** Changes nothing: what an earlier run made, perhaps as another user, can be used. Rejects with StartError DATA_UNUSABLE. */
export async function checkDataFolder(data: string): Promise<void> {
  const path = resolve(data)
  const folders = [path, join(path, 'shard-0'), join(path, 'shard-0', 'wal'), join(path, 'shard-0', 'state')]
  await usingData(data, async () => {
    for (const folder of folders) await usable(folder)
  })
}

/** Rejects with StartError DATA_UNUSABLE. */
export async function makeDataFolder(data: string): Promise<void> {
  await usingData(data, () => makeFolder(resolve(data)))
}

/**
 * A node that knows who it is has had a log since before it did: without one it has forgotten its votes and what it
 * acknowledged, and must not take part. Throws DATA_DAMAGED.
 */
export async function refuseLostLog(data: string): Promise<void> {
  const reason = await lostLog(data, await createIdentityStore(data).read())
  if (reason !== undefined) throw new StartError('DATA_DAMAGED', `Cannot start on data ${data}: ${reason}`)
}

/** undefined: there is a log, or never was one. */
export async function lostLog(data: string, node: Identity | undefined): Promise<string | undefined> {
  if (node === undefined) return undefined
  const wal = join(resolve(data), 'shard-0', 'wal')
  const names = await readdir(wal).catch((error: unknown) => {
    if (isSystemError(error) && error.code === 'ENOENT') return []
    throw error
  })
  if (names.some((name) => segmentNumber(name) !== undefined)) return undefined
  return `${wal} has no segment, though ${node.name} is a node of a cluster: its log was deleted or lost`
}

const RWX = constants.R_OK | constants.W_OK | constants.X_OK

/** One folder after another: `recursive` of node:fs does not return where a file system refuses with ENOENT. */
async function makeFolder(path: string): Promise<void> {
  const known = await kindOf(path)
  if (known === 'folder') return
  if (known === 'file') throw notAFolder(path)
  if (dirname(path) !== path) await makeFolder(dirname(path))
  try {
    await mkdir(path)
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'EEXIST') throw error
    // Another process was quicker, or the name is there and leads nowhere.
    if ((await kindOf(path)) !== 'folder') throw refusal(path, 'ENOLINK', 'it is a link that leads nowhere')
  }
}

async function kindOf(path: string): Promise<'folder' | 'file' | 'missing'> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file'
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return 'missing'
    throw error
  }
}

async function usable(path: string): Promise<void> {
  const kind = await kindOf(path)
  if (kind === 'file') throw notAFolder(path)
  if (kind === 'folder') await access(path, RWX)
}

function notAFolder(path: string): Error {
  return refusal(path, 'ENOTDIR', 'it is not a folder')
}

/** In the form of the system's own errors. */
function refusal(path: string, code: string, why: string): Error {
  return Object.assign(new Error(why), { code, path })
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
}
