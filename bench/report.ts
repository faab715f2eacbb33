/** What a load reports: one JSON line at once, all as a table at the end. */
export interface Row {
  readonly load: string
  readonly concurrency?: number
  readonly bytes?: number
  /** How many there are by then. */
  readonly messages?: number
  readonly ratePerS?: number
  readonly p50Ms?: number
  readonly p99Ms?: number
  readonly maxMs?: number
  /** Of the three nodes during the load: CPU in percent of one core, resident memory in MiB. */
  readonly cpuPercent?: readonly number[]
  readonly rssMiB?: readonly number[]
  /** Resident memory over the whole load, and what of `rssMiB` is mapped from files. */
  readonly peakMiB?: readonly number[]
  readonly meanMiB?: readonly number[]
  readonly fileMiB?: readonly number[]
  /** On each node's disk: state for each message, and the log. */
  readonly stateBytesEach?: readonly number[]
  readonly logMiB?: readonly number[]
  /** From starting the process to its ready line. */
  readonly readyMs?: number
  /** 99th percentile of fdatasync over the load, upper bound of its histogram bucket; and checkpoints made meanwhile. */
  readonly fsyncP99Ms?: number
  readonly checkpoints?: number
  /** Mean memory of each node in the last quarter, over that in the second. */
  readonly growth?: readonly number[]
  /**
   * Length of the load, and the longest turn of a node's event loop in it: its thread's processor time, what of that was the
   * garbage collector's, the longest without the collector, and time in all.
   */
  readonly seconds?: number
  readonly turnCpuMs?: number
  readonly gcMs?: number
  readonly ownCpuMs?: number
  readonly turnWallMs?: number
  /** How many took more than 10 ms of the processor; and without the collector. */
  readonly turnsOver10Ms?: number
  readonly ownOver10Ms?: number
  /** Longest turn of a process that does not listen yet: nobody can wait for it. */
  readonly loadingMs?: number
  /** 'met', or what was missed. */
  readonly goal?: string
  readonly note?: string
  /** Whether what was put in came out. */
  readonly books: 'ok' | string
}

const COLUMNS = [
  'load',
  'concurrency',
  'bytes',
  'messages',
  'ratePerS',
  'p50Ms',
  'p99Ms',
  'maxMs',
  'cpuPercent',
  'rssMiB',
  'peakMiB',
  'meanMiB',
  'fileMiB',
  'stateBytesEach',
  'logMiB',
  'readyMs',
  'fsyncP99Ms',
  'checkpoints',
  'growth',
  'seconds',
  'turnCpuMs',
  'gcMs',
  'ownCpuMs',
  'turnWallMs',
  'turnsOver10Ms',
  'ownOver10Ms',
  'loadingMs',
  'note',
  'goal',
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

  /** Markdown, as docs/benchmarks.md has it: the columns that some row fills. */
  table(): string {
    const columns = COLUMNS.filter((column) => this.#rows.some((row) => row[column] !== undefined))
    const cell = (row: Row, column: (typeof COLUMNS)[number]): string => {
      const value = row[column]
      return Array.isArray(value) ? value.join(' / ') : value === undefined ? '' : String(value)
    }
    const lines = this.#rows.map((row) => `| ${columns.map((column) => cell(row, column)).join(' | ')} |`)
    return [`| ${columns.join(' | ')} |`, `|${columns.map(() => '---').join('|')}|`, ...lines].join('\n')
  }
}

/** Three significant digits: more would be noise. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3))
}
