// Checks of single fields that several requests share. Each throws INVALID naming the field.
import { invalid } from '../base/errors.ts'
import { NAME_CHARS_MAX, PARTITIONS_MAX } from '../base/limits.ts'

const NAME = new RegExp(`^[A-Za-z0-9._-]{1,${NAME_CHARS_MAX}}$`)
const RESERVED_PREFIX = '__'

/** A topic, group, channel or consumer name. `reserved`: names of the house (`__...`) may be referred to here. */
export function checkName(name: string, field: string, options: { readonly reserved: boolean }): void {
  if (!NAME.test(name)) {
    throw invalid(
      field,
      `Cannot take ${field} ${JSON.stringify(name.slice(0, 200))}: a name is 1 to ${NAME_CHARS_MAX} of A-Z a-z 0-9 . _ -`,
    )
  }
  if (!options.reserved && name.startsWith(RESERVED_PREFIX)) {
    throw invalid(field, `Cannot take ${field} ${name}: names that begin with ${RESERVED_PREFIX} are reserved`)
  }
}

/** Empty stands for a default. */
export function checkNameOrEmpty(name: string, field: string): void {
  if (name !== '') checkName(name, field, { reserved: true })
}

export function checkPartition(partition: number, field: string): void {
  if (partition >= PARTITIONS_MAX) {
    throw invalid(field, `Cannot take ${field} ${partition}: must be below ${PARTITIONS_MAX}`)
  }
}
