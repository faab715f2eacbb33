/**
 * The identity on disk: `identity.json` (docs/formats.md, "Formation"), with a format version and a checksum, replaced as
 * a whole: written beside it, fsynced, renamed, directory fsynced. After a crash it is the old one or the new one.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type Disk, nodeDisk } from '../../storage/disk.ts'
import { StartError } from '../start-error.ts'
import type { Identity, IdentityStore } from './identity.ts'

/**
 * Raised by every format of the folder that an earlier version cannot read: it refuses the folder as newer, instead of
 * halting at what it does not know. 2: a nack's reason stands once in its command. 3: createTopic says which nodes are there.
 */
const FORMAT = 3
const FILE = 'identity.json'
const BYTES_MAX = 1024 * 1024

export interface IdentityFile extends IdentityStore {
  /** Before this version writes anything else: an earlier one is to refuse the folder from now on. Resolves what was found. */
  raise(): Promise<Identity | undefined>
}

/** The store of the data folder `dir`, which exists. */
export function createIdentityStore(dir: string, disk: Disk = nodeDisk): IdentityFile {
  const path = join(dir, FILE)
  const read = async () => {
    const bytes = await readFile(disk, path)
    if (bytes === undefined) return undefined
    const stored = parse(path, bytes)
    // The process that wrote it may have died before the name was durable; from now on it is relied on.
    await disk.syncDir(dir)
    return stored
  }
  const write = async (identity: Identity) => {
    const temporary = `${path}.tmp`
    await removeIfThere(disk, temporary)
    await writeFile(disk, temporary, Buffer.from(render(identity)))
    await disk.rename(temporary, path)
    await disk.syncDir(dir)
  }
  return {
    read: async () => (await read())?.identity,
    write,
    async raise() {
      const stored = await read()
      if (stored !== undefined && stored.format < FORMAT) await write(stored.identity)
      return stored?.identity
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

function parse(path: string, bytes: Buffer): { readonly format: number; readonly identity: Identity } {
  const damaged = (why: string, cause?: unknown) =>
    new StartError('DATA_DAMAGED', `Cannot read ${path}: ${why}`, { cause })
  let file: unknown
  try {
    file = JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw damaged('it is not JSON', error)
  }
  if (!isRecord(file) || !isPositive(file.format)) throw damaged('it has no format version')
  if (file.format > FORMAT) {
    throw new StartError('DATA_NEWER', `Cannot read ${path}: format ${file.format} is of a later version`)
  }
  const { format, identity } = file
  if (!isIdentity(identity)) throw damaged('a field is missing or is not what it should be')
  if (checksum(identity) !== file.sha256) throw damaged('its checksum does not fit')
  return { format, identity }
}

function isIdentity(value: unknown): value is Identity {
  return (
    isRecord(value) &&
    isText(value.clusterId) &&
    isText(value.name) &&
    isPositive(value.nodeId) &&
    (value.state === 'prepared' || value.state === 'formed') &&
    Array.isArray(value.members) &&
    value.members.length > 0 &&
    value.members.every((m: unknown) => isRecord(m) && isPositive(m.id) && isText(m.name) && isText(m.raft))
  )
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isPositive(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0
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
