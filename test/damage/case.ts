/** One piece of damage: where it is, and what it does to the bytes. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface DamageCase {
  /** Within the data folder. */
  readonly file: string
  /** cut: the bytes are gone, what follows moves up. blank: they are zeros. flip: one bit of the first. */
  readonly kind: 'flip' | 'cut' | 'blank'
  readonly from: number
  /** Exclusive. */
  readonly to: number
  /** Of a flip. */
  readonly bit: number
}

const RANGE_MAX = 5000
const FILES = /(\.wal|\.ldb|\.log|MANIFEST-\d+|CURRENT)$/

/** Segments and LevelDB's files; a file counts by its size, but none is left in peace. */
export function damageableFiles(dir: string): readonly { readonly file: string; readonly bytes: number }[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((file) => FILES.test(file))
    .map((file) => ({ file, bytes: statSync(join(dir, file)).size }))
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => (a.file < b.file ? -1 : 1))
}

export function drawCase(files: ReturnType<typeof damageableFiles>, random: () => number): DamageCase {
  const weights = files.map(({ bytes }) => Math.sqrt(bytes))
  let at = random() * weights.reduce((sum, weight) => sum + weight, 0)
  let place = files.length - 1
  for (const [i, weight] of weights.entries()) {
    at -= weight
    if (at <= 0) {
      place = i
      break
    }
  }
  const { file, bytes } = files[place] ?? { file: '', bytes: 1 }
  const from = Math.floor(random() * bytes)
  const kind = random()
  if (kind < 0.5) return { file, kind: 'flip', from, to: from + 1, bit: Math.floor(random() * 8) }
  const to = random() < 0.2 ? bytes : Math.min(bytes, from + 1 + Math.floor(random() * RANGE_MAX))
  return { file, kind: kind < 0.8 ? 'cut' : 'blank', from, to, bit: 0 }
}

/** Damages the copy in `dir`. Returns the case with the bytes that really changed; undefined if none did. */
export function inflict(dir: string, damage: DamageCase): DamageCase | undefined {
  const { file, kind, from, to, bit } = damage
  const path = join(dir, file)
  const before = readFileSync(path)
  const after = Buffer.from(before)
  if (kind === 'flip') after[from] = (after[from] ?? 0) ^ (1 << bit)
  if (kind === 'blank') after.fill(0, from, to)
  const result = kind === 'cut' ? Buffer.concat([before.subarray(0, from), before.subarray(to)]) : after
  writeFileSync(path, result)
  if (Buffer.compare(before, result) === 0) return undefined
  if (kind !== 'blank') return damage
  let first = from
  let end = to
  while (before[first] === 0) first++
  while (before[end - 1] === 0) end--
  return { ...damage, from: first, to: end }
}

export function nameOf({ file, kind, from, to, bit }: DamageCase): string {
  return `${kind} ${file} ${from}-${to}${kind === 'flip' ? ` bit ${bit}` : ''}`
}
