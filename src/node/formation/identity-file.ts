/**
 * The identity on disk: `identity.json` (docs/formats.md, "Formation"), with a format version and a checksum, replaced as
 * a whole: written beside it, fsynced, renamed, directory fsynced. After a crash it is the old one or the new one.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { type Disk, nodeDisk } from '../../storage/disk.ts'
import { StartError } from '../start-error.ts'
import type { Identity, IdentityStore } from './identity.ts'

const FORMAT = 1
const FILE = 'identity.json'
const BYTES_MAX = 1024 * 1024

const member = z.strictObject({ id: z.int().positive(), name: z.string().min(1), raft: z.string().min(1) })
const identityForm = z.strictObject({
  clusterId: z.string().regex(/^[0-9a-f]{32}$/),
  nodeId: z.int().positive(),
  name: z.string().min(1),
  members: z.array(member).min(1),
  state: z.enum(['prepared', 'formed']),
})
const versionForm = z.object({ format: z.int().positive() })
const fileForm = z.strictObject({ format: z.literal(FORMAT), sha256: z.string(), identity: identityForm })

/** The store of the data folder `dir`, which exists. */
export function createIdentityStore(dir: string, disk: Disk = nodeDisk): IdentityStore {
  const path = join(dir, FILE)
  return {
    async read() {
      const bytes = await readFile(disk, path)
      if (bytes === undefined) return undefined
      const identity = parse(path, bytes)
      // The process that wrote it may have died before the name was durable; from now on it is relied on.
      await disk.syncDir(dir)
      return identity
    },
    async write(identity) {
      const temporary = `${path}.tmp`
      await removeIfThere(disk, temporary)
      await writeFile(disk, temporary, Buffer.from(render(identity)))
      await disk.rename(temporary, path)
      await disk.syncDir(dir)
    },
  }
}

function render(identity: Identity): string {
  return `${JSON.stringify({ format: FORMAT, sha256: checksum(identity), identity }, null, 2)}\n`
}

/** Over the fields in a fixed order, without white space. */
function checksum({ clusterId, nodeId, name, members, state }: Identity): string {
  const fields = [clusterId, nodeId, name, members.map((m) => [m.id, m.name, m.raft]), state]
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex')
}

function parse(path: string, bytes: Buffer): Identity {
  const damaged = (why: string, cause?: unknown) => new StartError('DATA_DAMAGED', `Cannot read ${path}: ${why}`, cause)
  let json: unknown
  try {
    json = JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw damaged('it is not JSON', error)
  }
  const version = versionForm.safeParse(json)
  if (!version.success) throw damaged('it has no format version')
  if (version.data.format > FORMAT) {
    throw new StartError('DATA_NEWER', `Cannot read ${path}: format ${version.data.format} is of a later version`)
  }
  const file = fileForm.safeParse(json)
  if (!file.success) throw damaged(z.prettifyError(file.error))
  if (checksum(file.data.identity) !== file.data.sha256) throw damaged('its checksum does not fit')
  return file.data.identity
}

async function readFile(disk: Disk, path: string): Promise<Buffer | undefined> {
  const file = await disk.open(path, 'read').catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  })
  if (file === undefined) return undefined
  try {
    const size = await file.size()
    if (size > BYTES_MAX) throw new StartError('DATA_DAMAGED', `Cannot read ${path}: ${size} bytes are too many`)
    const bytes = Buffer.alloc(size)
    return bytes.subarray(0, file.readSync(bytes, 0))
  } finally {
    await file.close()
  }
}

async function writeFile(disk: Disk, path: string, bytes: Buffer): Promise<void> {
  const file = await disk.open(path, 'create')
  try {
    const written = await new Promise<number>((resolve, reject) => {
      file.writev([bytes], 0, (error, count) => (error === null ? resolve(count) : reject(error)))
    })
    if (written < bytes.length) throw new Error(`Cannot write ${path}: only ${written} of ${bytes.length} bytes`)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function removeIfThere(disk: Disk, path: string): Promise<void> {
  try {
    await disk.remove(path)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
