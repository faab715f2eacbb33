/**
 * What replication needs of a view. A view is the meaning of a group's log: pure, synchronous, deterministic. It reads
 * its own log and store, nothing else: no clock, no chance. A client's mistake is a reply; a throw is a bug and stops
 * the node. Effects are hints for the leader's broker, never the truth.
 */

/** Structurally storage's ViewStore and StateReader: views/ does not import storage/. */
export interface Store {
  get(key: string): Uint8Array | undefined
  put(key: string, value: Uint8Array, fresh?: boolean): void
  delete(key: string): void
}

export interface Reader {
  scan(
    range: { readonly gte: string; readonly lt: string },
    limit: number,
    options?: { reverse?: boolean; maxBytes?: number },
  ): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]>
  /** About `maxBytes` of the rows of `keys`, in order; damage (with `expected` also a missing row) in its row's place. */
  getMany(
    keys: readonly string[],
    options?: { maxBytes?: number; expected?: boolean },
  ): Promise<readonly (Uint8Array | undefined | Error)[]>
  /** Rows in the range, counted up to `limit`. */
  count(range: { readonly gte: string; readonly lt: string }, limit: number): Promise<number>
}

/** Where rows go that nobody reads back before they are loaded. */
export interface RowSink {
  put(key: string, value: Uint8Array): void
  delete(key: string): void
}

/** What was dirty in memory at one moment. */
export interface FrozenRows {
  /** To be called once. A step is little work; whoever drives them may let commands be applied between two. */
  write(to: RowSink): Generator<void, void>
}

export interface ApplyContext {
  /** at' in ms: max(the entry's `at`, every earlier at'). */
  readonly at: number
  /** Raft index of the entry. */
  readonly index: number
  readonly store: Store
}

export interface Applied<R, E> {
  readonly reply: R
  /** Empty for most commands. */
  readonly effects: readonly E[]
}

export interface RowCheck {
  /**
   * Whether a row is one that `load` and `apply` read without a fault: pure, quick, and never throws. Rows come in the order
   * of their keys, each once.
   */
  takes(key: string, value: Uint8Array): boolean
}

export interface View<R = unknown, E = unknown> {
  /**
   * Reads what is kept in memory from the rows of a checkpoint, or of a snapshot that is not installed yet; `lastAt` is the
   * time in ms that they stand for. Nothing changes before what it resolves with is called, which replaces all memory at
   * once. Rejects with an InvariantError for rows that cannot be together.
   */
  load(reader: Reader, lastAt: number): Promise<() => void>
  /** For the rows of one snapshot from another node, on their way in. */
  rowCheck(): RowCheck
  /**
   * Whether the bytes are a command that `apply` takes in any state: pure, quick, and never throws. Nothing else reaches a
   * log, whoever asks for it.
   */
  isCommand(command: Uint8Array): boolean
  /** Applies one command of an entry. Throws UnknownCommandError for a type or version it does not know. */
  apply(command: Uint8Array, context: ApplyContext): Applied<R, E>
  /**
   * Called between two entries, just before a checkpoint freezes the top layer: the rows of what is dirty in memory, as it
   * is now whatever is applied meanwhile. They are written to their end before the next freeze.
   */
  freeze(store: Store): FrozenRows
  /** Bytes held in memory beside the store's layers. */
  bytes(): number
}

export class UnknownCommandError extends Error {
  override readonly name = 'UnknownCommandError'
}
