// How long this client may count a lease as its own (architecture §6). A mark is sent every 500 ms and echoed by a leader
// that a quorum confirmed; a delivery names the newest mark echoed before its lease was proposed, so that lease began after
// that mark was sent. Counting from there ends a lease here no later than there, whatever the network did in between; and without a
// newer echo for ECHO_MS another leader may already be giving leases away.

export const MARK_EVERY_MS = 500
/** The default `reattach_ms` less 2 s. */
const ECHO_MS = 3000
/** Echoed marks that are remembered: a lease that took longer than these to be granted counts from the stream's begin. */
const ECHOED_MAX = 128

export class LeaseClock {
  /** When each mark without an echo was sent: few, since a stream without echoes is given up. */
  readonly #sentAt = new Map<number, number>()
  /** When the newest echoed marks were sent. */
  readonly #echoed = new Map<number, number>()
  #lastMark = 0
  #beganAt = 0
  #echoedSentAt = 0

  /** A new stream begins: what it brings is leased after this. Marks of the old one no longer count. */
  begin(nowMs: number): void {
    this.#sentAt.clear()
    this.#echoed.clear()
    this.#beganAt = nowMs
    this.#echoedSentAt = nowMs
  }

  /** The next mark, sent now. */
  mark(nowMs: number): number {
    this.#lastMark++
    this.#sentAt.set(this.#lastMark, nowMs)
    return this.#lastMark
  }

  echo(mark: number): void {
    const sentAt = this.#sentAt.get(mark)
    if (sentAt === undefined) return
    this.#echoed.set(mark, sentAt)
    this.#echoedSentAt = sentAt
    for (const older of this.#sentAt.keys()) if (older <= mark) this.#sentAt.delete(older)
    if (this.#echoed.size <= ECHOED_MAX) return
    for (const oldest of this.#echoed.keys()) {
      this.#echoed.delete(oldest)
      return
    }
  }

  /** From when to count a lease that came with `mark`, the newest echo before it was proposed; 0: none on this stream. */
  leaseFrom(mark: number): number {
    return this.#echoed.get(mark) ?? this.#beganAt
  }

  /** When the newest echoed mark was sent: until then a quorum-confirmed leader certainly had this session. */
  get confirmedAt(): number {
    return this.#echoedSentAt
  }

  /** False once too long without an echo: somebody else may lead. */
  confirmed(nowMs: number): boolean {
    return nowMs - this.#echoedSentAt < ECHO_MS
  }
}
