/** What nodes say to each other before there is a cluster, as a value; see docs/formats.md, "Formation". */
export interface FormationMember {
  readonly name: string
  /** host:port of its peer port. */
  readonly raft: string
}

export interface FormationHello {
  /** Version of this exchange; nodes of different ones do not form a cluster. */
  readonly version: number
  readonly from: string
  /** Random, new with every start of the process. */
  readonly boot: string
  /** The boot of the receiver that the sender knows; empty: none. */
  readonly toBoot: string
  /** The list of the sender, in its order. */
  readonly members: readonly FormationMember[]
  /** What is durable at the sender. */
  readonly state: 'empty' | 'prepared' | 'formed'
  /** Empty while `empty`. */
  readonly clusterId: string
}

/** Receives what another node says and answers with what is durable here afterwards. */
export interface FormationHandler {
  answer(hello: FormationHello): Promise<FormationHello>
}

export interface FormationTransport {
  /** Says `hello` to the node at `address`; rejects with the reason in words when it does not answer within `timeoutMs`. */
  exchange(address: string, hello: FormationHello, timeoutMs: number): Promise<FormationHello>
  close(): void
}
