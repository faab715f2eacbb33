/** Giving leaderships up, of many replicas at once: before a node leaves, or while it is not fit to lead. */
import type { Shard } from './shard.ts'

interface Leading {
  handOver(): boolean
}

/** How long leaderships may take to move before a node leaves all the same. */
const HAND_OVER_ELECTIONS = 2

/** Whether some leadership is still on its way to somebody else. */
export function handOver(replicas: Iterable<Leading>): boolean {
  let moving = false
  for (const replica of replicas) if (replica.handOver()) moving = true
  return moving
}

/** Hands leaderships over, as far as somebody can take them, for a bounded time or until `dead`. */
export async function leave(
  replicas: readonly Leading[],
  { env, timing }: Pick<Shard, 'env' | 'timing'>,
  dead: () => boolean,
): Promise<void> {
  const endMs = env.monoMs() + HAND_OVER_ELECTIONS * timing.electionMs
  while (!dead() && handOver(replicas) && env.monoMs() < endMs) {
    await new Promise<void>((resolve) => env.after(timing.tickMs, resolve))
  }
}
