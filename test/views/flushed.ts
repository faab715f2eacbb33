/** What is dirty in a view goes to rows in one go. */
import type { FrozenRows, Store } from '../../src/views/view.ts'

export function flush(view: { freeze(store: Store): FrozenRows }, store: Store): void {
  for (const _ of view.freeze(store).write(store));
}
