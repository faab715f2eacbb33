/** Waiting for the end of an operation whose failure somebody else is told. */

/** Resolves when `operation` has ended, well or badly: its own caller gets the error, this one only waits its turn. */
export async function settled(operation: Promise<unknown> | undefined): Promise<void> {
  await Promise.allSettled([operation])
}
