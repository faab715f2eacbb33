/** Waiting in tests: always for something that happens, always with a deadline that says what did not. */
const POLL_MS = 20

/** Resolves with the first truthy answer of `check`; rejects after `ms`, naming `what` and the last error. */
export async function eventually<T>(what: string, ms: number, check: () => Promise<T> | T): Promise<NonNullable<T>> {
  const end = performance.now() + ms
  let last: unknown = 'no answer yet'
  while (performance.now() < end) {
    try {
      const answer = await check()
      if (answer !== undefined && answer !== null && answer !== false) return answer
      last = answer
    } catch (error) {
      last = error
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  throw new Error(`${what}: not within ${ms} ms; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`)
}

/** `promise`, or an error that names `what` after `ms`. */
export async function within<T>(what: string, ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
