/**
 * Notices, while a node starts, that its data folder is of another cluster than the nodes it finds at the addresses of its
 * members: a majority of them refuses it. One that refuses it alone is itself the one in the wrong place.
 */
import type { NodeId } from '../base/ids.ts'
import { saysOtherCluster } from '../rpc/peer/wire.ts'
import { StartError } from './start-error.ts'

export class ForeignFolder {
  readonly #majority: number
  readonly #fail: (error: StartError) => void
  readonly #refusing = new Set<NodeId>()
  #over = false

  /** `members`: their number, this node included. `fail` is called at most once, with DATA_FOREIGN. */
  constructor(members: number, fail: (error: StartError) => void) {
    this.#majority = Math.floor(members / 2) + 1
    this.#fail = fail
  }

  /** A peer does not take what this node sends. */
  refused(node: NodeId, message: string): void {
    if (this.#over || !saysOtherCluster(message)) return
    this.#refusing.add(node)
    if (this.#refusing.size < this.#majority) return
    this.#over = true
    this.#fail(new StartError('DATA_FOREIGN', `Cannot start: the data folder is of another cluster. ${message}`))
  }

  /** A peer of this node's cluster is there. */
  heard(node: NodeId): void {
    this.#refusing.delete(node)
  }

  /** The node has found its cluster: nothing that comes later ends it. */
  ready(): void {
    this.#over = true
  }
}
