/** Nodes whose long turns are written down, and what was written down during a load. */
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { type Report, rounded } from '../report.ts'
import type { LongTurn } from './meter.ts'

/** No turn is to be longer. */
const TURN_MS_MAX = 10
const SETTLE_MS = 100
const NO_TURN = { cpuMs: 0, gcMs: 0 }
const METER = pathToFileURL(join(import.meta.dirname, 'meter.js'))

export class Meter {
  readonly #folder = mkdtempSync(join(tmpdir(), 'sandglass-turns-'))

  /** Of the nodes. */
  readonly env: Readonly<Record<string, string>> = {
    NODE_OPTIONS: `--import=${METER} ${process.env.NODE_OPTIONS ?? ''}`,
    BENCH_TURNS: this.#folder,
  }

  /** Adds a row: the longest turn of any node while `run` ran, which answers what its books say. */
  async turnsOf(report: Report, load: string, run: () => Promise<string>): Promise<void> {
    process.stderr.write(`${load} ...\n`)
    const from = Date.now()
    const books = await run()
    const to = Date.now()
    // The last ones are written down a few turns after their end.
    await delay(SETTLE_MS)
    const turns = this.#read().filter(({ atMs }) => atMs >= from && atMs <= to)
    const heard = turns.filter(({ listening }) => listening)
    const before = longest(turns, (turn) => (turn.listening ? 0 : turn.cpuMs))
    const over = heard.filter(({ cpuMs }) => cpuMs > TURN_MS_MAX)
    report.add({
      ...{ load, seconds: rounded((to - from) / 1000), turnCpuMs: longest(heard, ({ cpuMs }) => cpuMs) },
      ...{ gcMs: rounded(heard.reduce(longer, NO_TURN).gcMs), ownCpuMs: longest(heard, ownMs) },
      ...{ turnWallMs: longest(heard, ({ wallMs }) => wallMs), turnsOver10Ms: over.length },
      ...{ ownOver10Ms: over.filter((turn) => ownMs(turn) > TURN_MS_MAX).length },
      ...(before > 0 && { loadingMs: before }),
      ...{ goal: over.length === 0 ? 'met' : 'missed', books },
    })
  }

  /** So far, of all nodes. */
  #read(): LongTurn[] {
    const files = readdirSync(this.#folder).map((name) => readFileSync(join(this.#folder, name), 'utf8'))
    const lines = files.flatMap((text) => text.split('\n').slice(0, -1))
    return lines.map((line): LongTurn => JSON.parse(line))
  }
}

function longest(turns: readonly LongTurn[], of: (turn: LongTurn) => number): number {
  return rounded(turns.reduce((most, turn) => Math.max(most, of(turn)), 0))
}

function longer<T extends Pick<LongTurn, 'cpuMs'>>(a: T, b: T): T {
  return b.cpuMs > a.cpuMs ? b : a
}

/** Without the garbage collector. */
function ownMs({ cpuMs, gcMs }: LongTurn): number {
  return cpuMs - gcMs
}
