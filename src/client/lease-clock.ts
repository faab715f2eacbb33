// How long this client may count a lease as its own (architecture §6). A mark is sent every 500 ms and echoed by a leader
// that a quorum confirmed; a delivery names the newest mark echoed before it, so its lease began after that mark was
// sent. Counting from there ends a lease here no later than there, whatever the network did in between; and without a
// newer echo for ECHO_MS another leader may already be giving leases away.

export const MARK_EVERY_MS = 500
/** The default `reattach_ms` less 2 s. */
const ECHO_MS = 3000

export class LeaseClock {
  /** When each mark without an echo was sent: few, since a stream without echoes is given up. */
  readonly #sentAt = new Map<number, number>()
  #lastMark = 0
  #beganAt = 0
  #echoed = 0
  #echoedSentAt = 0

  /** A new stream begins: what it brings is leased after this. Marks of the old one no longer count. */
  begin(nowMs: number): void {
    this.#sentAt.clear()
    this.#beganAt = nowMs
    this.#echoed = 0
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
    this.#echoed = mark
    this.#echoedSentAt = sentAt
    for (const older of this.#sentAt.keys()) if (older <= mark) this.#sentAt.delete(older)
  }

  /** From when to count a lease that came with `mark`, the newest echo before it; 0: none on this stream. */
  leaseFrom(mark: number): number {
    return mark === this.#echoed ? this.#echoedSentAt : this.#beganAt
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
