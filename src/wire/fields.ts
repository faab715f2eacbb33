// Checks of single fields that several requests share. Each throws INVALID naming the field.
import { invalid } from '../base/errors.ts'
import { NAME_CHARS_MAX, PARTITIONS_MAX } from '../base/limits.ts'
import { Start } from './messages.ts'

const NAME = new RegExp(`^[A-Za-z0-9._-]{1,${NAME_CHARS_MAX}}$`)
const RESERVED_PREFIX = '__'

/** A topic, group, channel or consumer name. `reserved`: names of the house (`__...`) may be referred to here. */
export function checkName(name: string, field: string, options: { readonly reserved: boolean }): void {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw invalid(
      field,
      `Cannot take ${field} ${JSON.stringify(shown(name))}: a name is 1 to ${NAME_CHARS_MAX} of A-Z a-z 0-9 . _ -`,
    )
  }
  if (!options.reserved && name.startsWith(RESERVED_PREFIX)) {
    throw invalid(field, `Cannot take ${field} ${name}: names that begin with ${RESERVED_PREFIX} are reserved`)
  }
}

/** Whether a text has more than `max` code points; counts only where UTF-16 does not decide it. */
export function isLonger(text: string, max: number): boolean {
  if (text.length <= max) return false
  return text.length > 2 * max || [...text].length > max
}

/** Empty stands for a default. */
export function checkNameOrEmpty(name: string, field: string): void {
  if (name !== '') checkName(name, field, { reserved: true })
}

export function checkStart(start: Start): void {
  if (!Object.values<number>(Start).includes(start)) throw invalid('start', 'Cannot take start: not known')
}

export function checkPartition(partition: number, field: string): void {
  if (!(Number.isInteger(partition) && partition >= 0 && partition < PARTITIONS_MAX)) {
    throw invalid(field, `Cannot take ${field} ${shown(partition)}: must be whole and below ${PARTITIONS_MAX}`)
  }
}

/** Callers without types pass anything, also what has no text. */
function shown(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number'
    ? String(value).slice(0, 200)
    : `of type ${typeof value}`
}
