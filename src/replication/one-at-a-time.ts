/** One change of a group at a time: its replica is started, stopped or removed, and nothing else meanwhile. */
import { SandglassError } from '../base/errors.ts'
import type { GroupId } from '../base/ids.ts'

export class OneAtATime {
  readonly #busy = new Set<GroupId>()

  /** Rejects if another change of the group is under way. */
  async run<T>(group: GroupId, change: () => Promise<T>): Promise<T> {
    if (this.#busy.has(group)) {
      throw new SandglassError('INTERNAL', `Cannot change group ${group}: it is being started or stopped`)
    }
    this.#busy.add(group)
    try {
      return await change()
    } finally {
      this.#busy.delete(group)
    }
  }
}
