/** Nodes whose long turns are written down, and what was written down during a load. */
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Report, rounded } from '../report.ts'
import type { LongTurn } from './meter.ts'

/** No turn is to be longer. */
const TURN_MS_MAX = 10
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
    const seconds = rounded((Date.now() - from) / 1000)
    const turns = this.#read().filter(({ atMs }) => atMs >= from)
    const longest = (of: (turn: LongTurn) => number) =>
      rounded(turns.reduce((most, turn) => Math.max(most, of(turn)), 0))
    const turnCpuMs = longest((turn) => turn.cpuMs)
    const over = turns.filter(({ cpuMs }) => cpuMs > TURN_MS_MAX).length
    report.add({
      ...{ load, seconds, turnCpuMs, turnWallMs: longest((turn) => turn.wallMs), turnsOver10Ms: over },
      ...{ goal: over === 0 ? 'met' : 'missed', books },
    })
  }

  /** So far, of all nodes. */
  #read(): LongTurn[] {
    const files = readdirSync(this.#folder).map((name) => readFileSync(join(this.#folder, name), 'utf8'))
    const lines = files.flatMap((text) => text.split('\n').slice(0, -1))
    return lines.map((line): LongTurn => JSON.parse(line))
  }
}
