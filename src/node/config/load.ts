/**
 * Where settings come from: flags beat `SANDGLASS_*`, which beat the YAML file (a path or an http(s) URL), which beats
 * the defaults. An unknown key is an error that names it; a retired one is a warning that says what replaces it.
 */
import { NOT_YET, type NodeConfig, RETIRED, SETTINGS, type Setting } from './schema.ts'
import { readSource, shownSource } from './source.ts'
import { parseYaml } from './yaml.ts'

/** A mistake in the configuration: exit code 2. `field` is the key as written. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly field: string

  constructor(field: string, message: string) {
    super(message)
    this.field = field
  }
}

export interface Loaded {
  readonly config: NodeConfig
  readonly warnings: readonly string[]
  /** Where each key's value came from: flag, environment, file or default. */
  readonly sources: Readonly<Record<string, Source>>
  /** Each key's value as text, as it would stand in a file. */
  readonly values: Readonly<Record<string, string>>
}

type Source = 'flag' | 'environment' | 'file' | 'default'
type Layer = ReadonlyMap<string, string>

const KEYS: ReadonlySet<string> = new Set(Object.values(SETTINGS).map((s) => s.key))
/** Environment variables of ours that are not settings; the last one is for one test (storage.ts). */
const NOT_SETTINGS: ReadonlySet<string> = new Set(['config', 'addrs', 'unsafe_no_fsync'])

export interface Given {
  /** Path or http(s) URL. */
  readonly file: string | undefined
  /** By key as the user wrote it. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Throws ConfigError for an unknown key, a bad value or an unreadable file. */
export async function loadConfig(given: Given): Promise<Loaded> {
  const warnings: string[] = []
  const layers: readonly (readonly [Source, Layer])[] = [
    ['flag', layer(given.flags, 'flag --', warnings)],
    ['environment', layer(fromEnvironment(given.environment), 'environment variable SANDGLASS_', warnings)],
    ['file', given.file === undefined ? new Map() : await fromFile(given.file, warnings)],
  ]
  const sources: Record<string, Source> = {}
  const values: Record<string, string> = {}
  const read = <K extends keyof NodeConfig>(property: K): NodeConfig[K] => {
    const setting: Setting<NodeConfig[K]> = SETTINGS[property]
    const found = layers.find(([, layer]) => layer.has(setting.key))
    const text = found?.[1].get(setting.key) ?? setting.fallback
    const value = setting.parse(text)
    if (value === undefined) {
      const expected = `expected ${setting.expects}`
      throw new ConfigError(setting.key, `Cannot use ${setting.key} = ${JSON.stringify(text)}: ${expected}`)
    }
    sources[setting.key] = found?.[0] ?? 'default'
    values[setting.key] = text
    return value
  }
  return { config: complete(all(read)), warnings, sources, values }
}

function all(read: <K extends keyof NodeConfig>(property: K) => NodeConfig[K]): NodeConfig {
  return {
    name: read('name'),
    data: read('data'),
    bindAddr: read('bindAddr'),
    advertiseAddr: read('advertiseAddr'),
    grpcPort: read('grpcPort'),
    httpPort: read('httpPort'),
    raftPort: read('raftPort'),
    initialCluster: read('initialCluster'),
    raftVia: read('raftVia'),
    clusterName: read('clusterName'),
    logLevel: read('logLevel'),
    electionTimeoutMs: read('electionTimeoutMs'),
    heartbeatMs: read('heartbeatMs'),
    leaseMs: read('leaseMs'),
    reattachMs: read('reattachMs'),
    reassignAfterMs: read('reassignAfterMs'),
    maxClockSkewMs: read('maxClockSkewMs'),
    walRetainBytes: read('walRetainBytes'),
    snapshotBytesPerSecond: read('snapshotBytesPerSecond'),
    memoryMaxBytes: read('memoryMaxBytes'),
    diskReserveBytes: read('diskReserveBytes'),
    connectionsMax: read('connectionsMax'),
    streamsPerConnectionMax: read('streamsPerConnectionMax'),
    streamsMax: read('streamsMax'),
    unfinishedBytesMax: read('unfinishedBytesMax'),
    frameTimeoutMs: read('frameTimeoutMs'),
    unaryTimeoutMs: read('unaryTimeoutMs'),
  }
}

function complete(config: NodeConfig): NodeConfig {
  const own = config.initialCluster.some((m) => m.name === config.name)
  if (config.initialCluster.length > 0 && !own) {
    throw new ConfigError('initial_cluster', `Cannot use initial_cluster: it does not name this node, ${config.name}`)
  }
  checkPorts(config)
  if (config.heartbeatMs * 2 > config.electionTimeoutMs) {
    throw new ConfigError('heartbeat_ms', 'Cannot use heartbeat_ms: election_timeout_ms must be at least twice as long')
  }
  return { ...config, advertiseAddr: config.advertiseAddr === '' ? config.bindAddr : config.advertiseAddr }
}

function checkPorts({ grpcPort, httpPort, raftPort }: NodeConfig): void {
  const ports = Object.entries({ grpc_port: grpcPort, http_port: httpPort, raft_port: raftPort })
  for (const [at, [key, port]] of ports.entries()) {
    const [other] = ports.slice(0, at).find(([, taken]) => taken === port && port !== 0) ?? []
    if (other !== undefined) throw new ConfigError(key, `Cannot use ${key} = ${port}: it is ${other} as well`)
  }
}

function layer(raw: Readonly<Record<string, unknown>>, origin: string, warnings: string[]): Layer {
  const found = new Map<string, string>()
  for (const [written, value] of Object.entries(raw)) {
    if (value === undefined) continue
    const key = written.replaceAll('-', '_').toLowerCase()
    const retired = RETIRED[key]
    if (retired !== undefined) {
      warnings.push(`${origin}${written} has no effect any more: ${retired}`)
      continue
    }
    const pending = NOT_YET[key]
    if (pending !== undefined) throw new ConfigError(written, `Cannot use ${origin}${written}: ${pending}`)
    if (!KEYS.has(key)) throw new ConfigError(written, `Cannot use ${origin}${written}: no such setting`)
    // `-`, `_` and capitals are the same: one of two would win in silence.
    if (found.has(key)) throw new ConfigError(written, `Cannot use ${origin}${written}: given twice`)
    found.set(key, asText(written, value))
  }
  return found
}

function asText(key: string, value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value.join(',')
  if (value === null) return ''
  throw new ConfigError(key, `Cannot use ${key}: expected one value`)
}

function fromEnvironment(environment: Given['environment']): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [name, value] of Object.entries(environment)) {
    const match = /^SANDGLASS_(.+)$/.exec(name)
    const key = match?.[1]
    if (key === undefined || value === undefined || NOT_SETTINGS.has(key.toLowerCase())) continue
    found[key] = value
  }
  return found
}

async function fromFile(source: string, warnings: string[]): Promise<Layer> {
  const shown = shownSource(source)
  let parsed: unknown
  try {
    parsed = parseYaml(await readSource(source))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ConfigError('config', `Cannot read configuration ${shown}: ${reason}`)
  }
  if (parsed === null || parsed === undefined) return new Map()
  if (typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw new ConfigError('config', `Cannot read configuration ${shown}: expected keys and values`)
  }
  return layer(Object.fromEntries(Object.entries(parsed)), `${shown}: `, warnings)
}
