/** Durations (`250ms`, `10s`, `2m`, `2h`, `3d`) and sizes (`64MiB`, `1000`) as people write them in flags and files. */
const DURATION_UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const satisfies Record<
  string,
  number
>
const SIZE_UNITS = { '': 1, b: 1, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, kb: 1e3, mb: 1e6, gb: 1e9 } as const

/** Whole ms below 2^53; undefined when `text` is not a duration. A bare number has no unit and is refused, save 0. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text)
  if (match === null) return undefined
  const unit = DURATION_UNITS[match[2] as keyof typeof DURATION_UNITS]
  return safe(Number(match[1]) * unit)
}

/** Whole bytes below 2^53; undefined when `text` is not a size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text)
  const unit = (match?.[2] ?? '').toLowerCase()
  if (match === null || !(unit in SIZE_UNITS)) return undefined
  return safe(Number(match[1]) * SIZE_UNITS[unit as keyof typeof SIZE_UNITS])
}

function safe(value: number): number | undefined {
  const whole = Math.round(value)
  return Number.isSafeInteger(whole) ? whole : undefined
}
