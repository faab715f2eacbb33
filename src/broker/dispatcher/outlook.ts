/** When a group is to be looked at again if nothing else wakes it: filled anew by each of its runs. */
const NEVER = Number.POSITIVE_INFINITY

export class Outlook {
  /** Leader's time; Infinity: not by time alone. */
  wakeAt = NEVER
  /** The same by the monotonic clock. */
  wakeMono = NEVER
  /** A new message that is due before this (leader's time) is reason to run; -Infinity: none is. */
  hungryFor = -NEVER
  /** Something due waits for the horizon to move. */
  heldBack = false

  reset(): void {
    this.wakeAt = NEVER
    this.wakeMono = NEVER
    this.hungryFor = -NEVER
    this.heldBack = false
  }

  /** Looks again at leader's time `time`. What is due already waits for something else than time. */
  at(time: number | undefined, now: number): void {
    if (time !== undefined && time > now && time < this.wakeAt) this.wakeAt = time
  }

  /** Looks again at monotonic time `time`. */
  atMono(time: number): void {
    if (time < this.wakeMono) this.wakeMono = time
  }
}
