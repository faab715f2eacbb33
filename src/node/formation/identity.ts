/** Who this data folder is: written once by the formation, the same for as long as the folder lives. */
import type { NodeId } from '../../base/ids.ts'

interface IdentityMember {
  readonly id: NodeId
  readonly name: string
  /** host:port of its peer port when the cluster was formed; the catalog knows newer ones. */
  readonly raft: string
}

export interface Identity {
  /** 32 hex digits. */
  readonly clusterId: string
  readonly nodeId: NodeId
  readonly name: string
  /** The initial members, in the order of the list; ids 1 to n. */
  readonly members: readonly IdentityMember[]
  readonly state: 'prepared' | 'formed'
}

export interface IdentityStore {
  /** undefined: an empty folder. Throws StartError DATA_NEWER or DATA_DAMAGED. */
  read(): Promise<Identity | undefined>
  /** Durable when it resolves: file and name. */
  write(identity: Identity): Promise<void>
}
