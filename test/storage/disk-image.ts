/**
 * What a simulated disk holds: contents and names, each as a reader sees them and as they are durable, with the changes
 * between the two. A power cut keeps the durable and as much of the changes as somebody chooses. Invariant: an image
 * shares no inode with the disk it was taken from.
 */
const SECTOR_BYTES = 512

type Write = { readonly type: 'write'; readonly position: number; readonly data: Uint8Array }

/** Of contents. */
export type Change = Write | { readonly type: 'truncate'; readonly bytes: number }

export type NameChange =
  | { readonly type: 'create'; readonly path: string; readonly inode: Inode }
  | { readonly type: 'rename'; readonly path: string; readonly to: string }
  | { readonly type: 'remove'; readonly path: string }

/** One that no sync covered; `order` counts all changes of the disk. */
export type Unsynced<T = Change | NameChange> = T & { readonly order: number }

export interface Inode {
  data: Uint8Array
  durable: Uint8Array
  changes: Unsynced<Change>[]
  /** A failed sync: readers see what will never be durable. Otherwise `data` is `durable` with all `changes`. */
  hasForgotten?: boolean
}

export interface DiskImage {
  readonly names: ReadonlyMap<string, Inode>
  readonly durableNames: ReadonlyMap<string, Inode>
  readonly nameChanges: readonly Unsynced<NameChange>[]
}

/** Contents are never changed in place, so that a copy costs no bytes. */
export function copyOf({ names, durableNames, nameChanges }: DiskImage): DiskImage {
  const copies = new Map<Inode, Inode>()
  const inodeCopy = (inode: Inode) => {
    const copy = copies.get(inode) ?? { ...inode, changes: inode.changes.slice() }
    copies.set(inode, copy)
    return copy
  }
  const mapCopy = (map: ReadonlyMap<string, Inode>) => new Map(Array.from(map, ([path, one]) => [path, inodeCopy(one)]))
  return {
    names: mapCopy(names),
    durableNames: mapCopy(durableNames),
    nameChanges: nameChanges.map((one) => (one.type === 'create' ? { ...one, inode: inodeCopy(one.inode) } : one)),
  }
}

/** Everything that no sync covered, oldest first. Contents of files whose last durable name is gone are among it. */
export function unsynced({ names, durableNames, nameChanges }: DiskImage): readonly Unsynced[] {
  const inodes = new Set([...names.values(), ...durableNames.values()])
  for (const change of nameChanges) if (change.type === 'create') inodes.add(change.inode)
  const all: Unsynced[] = [...nameChanges]
  for (const { changes } of inodes) all.push(...changes)
  return all.sort((a, b) => a.order - b.order)
}

/** What a power cut spares: which changed names, and what of one file's changes, oldest first. */
export interface Spared {
  readonly name: (change: Unsynced<NameChange>) => boolean
  readonly contents: (changes: readonly Unsynced<Change>[]) => readonly Change[]
}

/** What the power left, all of it durable. */
export function afterCut(image: DiskImage, spared: Spared): DiskImage {
  const { durableNames, nameChanges } = copyOf(image)
  const names = new Map(durableNames)
  for (const change of nameChanges) if (spared.name(change)) applyName(names, change)
  for (const inode of new Set(names.values())) {
    for (const part of spared.contents(inode.changes)) inode.durable = applied(inode.durable, part)
    inode.data = inode.durable
    inode.changes = []
  }
  return { names, durableNames: new Map(names), nameChanges: [] }
}

/** As disks do it: some changes whole, some torn, some not at all, in any order. */
export function sparedBy(random: () => number): Spared {
  return {
    name: () => random() < 0.5,
    contents: (changes) => {
      const keepAll = random() < 0.3
      return changes.flatMap((change) => (keepAll || random() < 0.7 ? torn(change, random) : []))
    },
  }
}

/** Some sectors of the write arrive whole, some do not, and one may stop halfway. */
function torn(change: Change, random: () => number): readonly Change[] {
  if (change.type === 'truncate') return [change]
  const kind = random()
  if (kind < 0.4) return [change]
  const { position, data } = change
  if (kind < 0.7) return [{ ...change, data: data.subarray(0, Math.floor(random() * data.byteLength)) }]
  const sectors: Change[] = []
  for (let at = 0; at < data.byteLength; at += SECTOR_BYTES) {
    if (random() < 0.5) continue
    sectors.push({ type: 'write', position: position + at, data: data.subarray(at, at + SECTOR_BYTES) })
  }
  return sectors
}

export function applied(old: Uint8Array, change: Change): Uint8Array {
  if (change.type === 'truncate') {
    const result = new Uint8Array(change.bytes)
    result.set(old.subarray(0, change.bytes))
    return result
  }
  const { position, data } = change
  const result = new Uint8Array(Math.max(old.byteLength, position + data.byteLength))
  result.set(old)
  result.set(data, position)
  return result
}

export function applyName(names: Map<string, Inode>, change: NameChange): void {
  if (change.type === 'create') names.set(change.path, change.inode)
  if (change.type === 'remove') names.delete(change.path)
  if (change.type !== 'rename') return
  const inode = names.get(change.path)
  if (!inode) return
  names.delete(change.path)
  names.set(change.to, inode)
}
