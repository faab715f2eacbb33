/** Work of one kind on many things, so much of it in one turn of the event loop. */
import type { Env } from './env.ts'

/** `run` for each of `items`, the first `most` of them now; ends when it answers false. */
export function inTurns<T>(
  env: Pick<Env, 'endOfTurn'>,
  items: Iterator<T>,
  most: number,
  run: (item: T) => boolean,
): void {
  for (let left = most; left > 0; left--) {
    const { done, value } = items.next()
    if (done === true || !run(value)) return
  }
  env.endOfTurn(() => inTurns(env, items, most, run))
}
