/**
 * `sandglass dev`: one or three real nodes, each a process of its own, in one terminal. The processes end with this one.
 * Output: their logs (a line each, as they come) on stderr, and once all are ready the commands to try next on stdout.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { StopSignals } from './signals.ts'

const HOST = '127.0.0.1'
const MAIN = new URL('./main.js', import.meta.url)

export interface DevOptions {
  readonly nodes: number
  readonly data: string
}

/** Runs until interrupted or until a node ends by itself, which is an error. */
export async function runDev(options: DevOptions, signals: StopSignals): Promise<void> {
  const names = Array.from({ length: options.nodes }, (_, i) => `n${i + 1}`)
  process.stderr.write(`starting ${names.length} node(s), data in ${options.data}\n`)
  const nodes = names.map((name, i) => spawnNode(name, i, names, options.data))
  let stopping = false
  const stop = () => {
    stopping = true
    for (const node of nodes) node.process.kill('SIGTERM')
  }
  signals.handle(stop)
  const ended = nodes.map(async (node) => {
    const code = await node.ended
    if (!stopping) {
      stop()
      throw new Error(`Cannot go on: node ${node.name} ended with code ${code}; its log is above`)
    }
  })
  const allReady = Promise.all(nodes.map((node) => node.ready)).then(() => process.stdout.write(welcome(names.length)))
  const [outcome] = await Promise.all([Promise.allSettled(ended), Promise.race([allReady, Promise.allSettled(ended)])])
  for (const result of outcome) if (result.status === 'rejected') throw result.reason
}

interface DevNode {
  readonly name: string
  readonly process: ChildProcess
  readonly ready: Promise<void>
  readonly ended: Promise<number | null>
}

function spawnNode(name: string, i: number, names: readonly string[], data: string): DevNode {
  const cluster = names.map((n, k) => `${n}=${HOST}:${9190 + k}`).join(',')
  const flags = {
    name,
    data: join(data, name),
    grpc_port: 7170 + i,
    http_port: 2108 + i * 1000,
    raft_port: 9190 + i,
    // Set in any case: what the environment says of one node is wrong for three.
    bind_addr: HOST,
    advertise_addr: HOST,
    initial_cluster: cluster,
    log_level: 'warn',
  }
  const args = Object.entries(flags).flatMap(([key, value]) => [`--${key}`, String(value)])
  const child = spawn(process.execPath, [MAIN.pathname, ...args], {
    // The ipc channel tells the node when this process is gone, however it ended.
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { UV_THREADPOOL_SIZE: '16', ...process.env },
    // Ctrl-C reaches the whole foreground group; in a group of its own a node hears it once, from us.
    detached: true,
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
  const { stdout } = child
  const ready = new Promise<void>((resolve) => {
    if (stdout === null) return
    createInterface({ input: stdout }).on('line', (line) => {
      if (line.includes('"event":"ready"')) resolve()
      process.stderr.write(`${line}\n`)
    })
  })
  return { name, process: child, ready, ended }
}

function welcome(nodes: number): string {
  return `
${nodes} node(s) ready on ${Array.from({ length: nodes }, (_, i) => `${HOST}:${7170 + i}`).join(' ')}. In another terminal, try:

  bin/sandctl topics create emails --num_partitions 3 --replication_factor ${nodes}
  bin/sandctl produce emails '{"dest": "hi@example.com"}' -n 10
  bin/sandctl produce emails '{"dest": "later@example.com"}' --delay 10s
  bin/sandctl consume -f emails
  bin/sandctl cluster status
  curl -s http://${HOST}:2108/metrics | grep sandglass_

Ctrl-C stops ${nodes === 1 ? 'it' : 'them'}; the data stays.
`
}
