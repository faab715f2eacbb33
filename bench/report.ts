/** What a load reports: one JSON line at once, all as a table at the end. */
export interface Row {
  readonly load: string
  readonly concurrency?: number
  readonly bytes?: number
  readonly ratePerS?: number
  readonly p50Ms?: number
  readonly p99Ms?: number
  readonly maxMs?: number
  /** Of the three nodes during the load: CPU in percent of one core, resident memory in MiB. */
  readonly cpuPercent?: readonly number[]
  readonly rssMiB?: readonly number[]
  /** 99th percentile of fdatasync over the load, upper bound of its histogram bucket; and checkpoints made meanwhile. */
  readonly fsyncP99Ms?: number
  readonly checkpoints?: number
  readonly note?: string
  /** Whether what was put in came out. */
  readonly books: 'ok' | string
}

const COLUMNS = [
  'load',
  'concurrency',
  'bytes',
  'ratePerS',
  'p50Ms',
  'p99Ms',
  'maxMs',
  'cpuPercent',
  'rssMiB',
  'fsyncP99Ms',
  'checkpoints',
  'books',
] as const

export class Report {
  readonly #rows: Row[] = []

  add(row: Row): void {
    this.#rows.push(row)
    process.stdout.write(`${JSON.stringify(row)}\n`)
  }

  /** Whether all books are ok. */
  get ok(): boolean {
    return this.#rows.every((row) => row.books === 'ok')
  }

  /** Markdown, as docs/benchmarks.md has it. */
  table(): string {
    const cell = (row: Row, column: (typeof COLUMNS)[number]): string => {
      const value = row[column]
      return Array.isArray(value) ? value.join(' / ') : value === undefined ? '' : String(value)
    }
    const lines = this.#rows.map((row) => `| ${COLUMNS.map((column) => cell(row, column)).join(' | ')} |`)
    return [`| ${COLUMNS.join(' | ')} |`, `|${COLUMNS.map(() => '---').join('|')}|`, ...lines].join('\n')
  }
}

/** Three significant digits: more would be noise. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3))
}
