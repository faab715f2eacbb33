/**
 * The node's settings: one table of keys with their form, default and meaning. `load.ts` fills it from flags,
 * environment and file; `sandglass config` prints it. Keys are written with `_`; `-` means the same.
 */

import { joinHostPort, parseHost, parseHostPort } from '../../base/address.ts'
import { parseDuration, parseSize } from '../../base/duration.ts'
import {
  CONNECTIONS_MAX,
  FRAME_MS_MAX,
  NAME_CHARS_MAX,
  SNAPSHOT_BYTES_PER_SECOND,
  SNAPSHOT_BYTES_PER_SECOND_MIN,
  STREAMS_MAX,
  STREAMS_PER_CONNECTION_MAX,
  UNARY_MS_MAX,
  UNFINISHED_BYTES_MAX,
  UNFINISHED_BYTES_MIN,
  WAL_RETAIN_BYTES,
} from '../../base/limits.ts'

export interface NodeConfig {
  readonly name: string
  readonly data: string
  readonly bindAddr: string
  readonly advertiseAddr: string
  readonly grpcPort: number
  readonly httpPort: number
  readonly raftPort: number
  /** Empty: a cluster of one. In the order that decides who forms the cluster. */
  readonly initialCluster: readonly InitialMember[]
  /** Peers as reached from here when a proxy or address translation stands between; not part of the cluster's list. */
  readonly raftVia: readonly InitialMember[]
  readonly clusterName: string
  readonly logLevel: LogLevel
  readonly electionTimeoutMs: number
  readonly heartbeatMs: number
  readonly leaseMs: number
  readonly reattachMs: number
  readonly reassignAfterMs: number
  readonly maxClockSkewMs: number
  readonly walRetainBytes: number
  readonly snapshotBytesPerSecond: number
  readonly memoryMaxBytes: number
  readonly diskReserveBytes: number
  readonly connectionsMax: number
  readonly streamsPerConnectionMax: number
  readonly streamsMax: number
  readonly unfinishedBytesMax: number
  readonly frameTimeoutMs: number
  readonly unaryTimeoutMs: number
}

export interface InitialMember {
  readonly name: string
  /** host:port of its peer port. */
  readonly raft: string
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

type Parse<T> = (text: string) => T | undefined

export interface Setting<T> {
  readonly key: string
  readonly fallback: string
  readonly expects: string
  readonly about: string
  readonly parse: Parse<T>
}

const NAME = new RegExp(`^[A-Za-z0-9._-]{1,${NAME_CHARS_MAX}}$`)
const LEVELS: readonly string[] = ['debug', 'info', 'warn', 'error']

const isLevel = (text: string): text is LogLevel => LEVELS.includes(text)
const name: Parse<string> = (text) => (NAME.test(text) ? text : undefined)
const text: Parse<string> = (value) => (value === '' ? undefined : value)
const host: Parse<string> = (value) => parseHost(value)
const hostOrNone: Parse<string> = (value) => (value === '' ? '' : parseHost(value))
const integer =
  (min: number, max: number): Parse<number> =>
  (value) => {
    const n = /^\d+$/.test(value) ? Number(value) : Number.NaN
    return n >= min && n <= max ? n : undefined
  }
const port = integer(0, 65_535)
const PORT_FORM = 'a port, 1 to 65535, or 0 for any'
const size: Parse<number> = (value) => parseSize(value)
const sizeFrom =
  (min: number): Parse<number> =>
  (value) => {
    const bytes = parseSize(value)
    return bytes !== undefined && bytes >= min ? bytes : undefined
  }
const durationWithin =
  (minMs: number, maxMs: number): Parse<number> =>
  (value) => {
    const ms = parseDuration(value)
    return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined
  }

function members(value: string): readonly InitialMember[] | undefined {
  if (value === '') return []
  const list: InitialMember[] = []
  for (const part of value.split(',')) {
    const [, memberName = '', written = ''] = /^\s*([^=\s]+)=(\S+)\s*$/.exec(part) ?? []
    const at = parseHostPort(written)
    if (at === undefined || !NAME.test(memberName)) return undefined
    const raft = joinHostPort(at.host, at.port)
    if (list.some((m) => m.name === memberName || m.raft === raft)) return undefined
    list.push({ name: memberName, raft })
  }
  return list
}

/** In the order in which `sandglass config` prints them. */
export const SETTINGS: { readonly [K in keyof NodeConfig]: Setting<NodeConfig[K]> } = {
  name: {
    key: 'name',
    fallback: 'node1',
    expects: 'a name',
    about: 'name of this node, unique in the cluster',
    parse: name,
  },
  data: { key: 'data', fallback: './data', expects: 'a folder', about: 'data folder', parse: text },
  bindAddr: {
    key: 'bind_addr',
    fallback: '127.0.0.1',
    expects: 'an address or a name, without a port',
    about: 'address to listen on',
    parse: host,
  },
  advertiseAddr: {
    key: 'advertise_addr',
    fallback: '',
    expects: 'an address or a name, without a port',
    about: 'address others use; default bind_addr',
    parse: hostOrNone,
  },
  grpcPort: { key: 'grpc_port', fallback: '7170', expects: PORT_FORM, about: 'clients (gRPC)', parse: port },
  httpPort: { key: 'http_port', fallback: '2108', expects: PORT_FORM, about: '/metrics /livez /readyz', parse: port },
  raftPort: { key: 'raft_port', fallback: '9190', expects: PORT_FORM, about: 'other nodes', parse: port },
  initialCluster: {
    key: 'initial_cluster',
    fallback: '',
    expects: 'name=host:port,... without duplicates; IPv6 in brackets',
    about: 'nodes that form the cluster, the same list on each; empty: this node alone',
    parse: members,
  },
  raftVia: {
    key: 'raft_via',
    fallback: '',
    expects: 'name=host:port,... without duplicates; IPv6 in brackets',
    about: 'peers as reached from this node when a proxy stands between',
    parse: members,
  },
  clusterName: {
    key: 'cluster_name',
    fallback: 'sandglass',
    expects: 'a name',
    about: 'for people; shown in logs',
    parse: name,
  },
  logLevel: {
    key: 'log_level',
    fallback: 'info',
    expects: 'debug, info, warn or error',
    about: 'logs on stderr',
    parse: (value: string): LogLevel | undefined => (isLevel(value) ? value : undefined),
  },
  electionTimeoutMs: {
    key: 'election_timeout_ms',
    fallback: '400',
    expects: '100 to 60000',
    about: 'lowest election timeout',
    parse: integer(100, 60_000),
  },
  heartbeatMs: {
    key: 'heartbeat_ms',
    fallback: '100',
    expects: '10 to 10000',
    about: 'leader heartbeat',
    parse: integer(10, 10_000),
  },
  leaseMs: {
    key: 'lease_ms',
    fallback: '30000',
    expects: '1 to 86400000',
    about: 'lease of a delivery unless the consumer asks otherwise',
    parse: integer(1, 86_400_000),
  },
  reattachMs: {
    key: 'reattach_ms',
    fallback: '5000',
    expects: '3000 to 600000',
    about: 'grace for a consumer stream to come back',
    parse: integer(3000, 600_000),
  },
  reassignAfterMs: {
    key: 'reassign_after',
    fallback: '60s',
    expects: '1s to 30d',
    about: 'replace the replicas of a node silent this long',
    parse: durationWithin(1000, 30 * 24 * 3_600_000),
  },
  maxClockSkewMs: {
    key: 'max_clock_skew',
    fallback: '2s',
    expects: '1ms to 1d',
    about: 'a node further off gives up leaderships',
    parse: durationWithin(1, 24 * 3_600_000),
  },
  walRetainBytes: {
    key: 'wal_retain_bytes',
    fallback: String(WAL_RETAIN_BYTES),
    expects: 'bytes',
    about: 'log kept for followers that lag',
    parse: size,
  },
  snapshotBytesPerSecond: {
    key: 'snapshot_bytes_per_second',
    fallback: String(SNAPSHOT_BYTES_PER_SECOND),
    expects: 'bytes, at least 64KiB',
    about: 'rate at which a snapshot is sent',
    parse: sizeFrom(SNAPSHOT_BYTES_PER_SECOND_MIN),
  },
  memoryMaxBytes: {
    key: 'memory_max_bytes',
    fallback: '1GiB',
    expects: 'bytes, at least 1MiB',
    about: 'unsaved rows in memory, all partitions',
    parse: sizeFrom(1024 * 1024),
  },
  diskReserveBytes: {
    key: 'disk_reserve_bytes',
    fallback: '64MiB',
    expects: 'bytes',
    about: 'kept free so that a full disk can be worked off',
    parse: size,
  },
  connectionsMax: {
    key: 'connections_max',
    fallback: String(CONNECTIONS_MAX),
    expects: '16 to 1000000',
    about: 'connections to each port',
    parse: integer(16, 1_000_000),
  },
  streamsPerConnectionMax: {
    key: 'streams_per_connection_max',
    fallback: String(STREAMS_PER_CONNECTION_MAX),
    expects: '1 to 1000000',
    about: 'open calls of one connection of a client',
    parse: integer(1, 1_000_000),
  },
  streamsMax: {
    key: 'streams_max',
    fallback: String(STREAMS_MAX),
    expects: '16 to 1000000',
    about: 'open calls of all clients',
    parse: integer(16, 1_000_000),
  },
  unfinishedBytesMax: {
    key: 'unfinished_bytes_max',
    fallback: String(UNFINISHED_BYTES_MAX),
    expects: 'bytes, at least 64MiB',
    about: 'requests not whole or not answered, and answers not taken, of all clients',
    parse: sizeFrom(UNFINISHED_BYTES_MIN),
  },
  frameTimeoutMs: {
    key: 'frame_timeout',
    fallback: `${FRAME_MS_MAX / 1000}s`,
    expects: '100ms to 1h',
    about: "until a stream's first frame, and until a frame that has begun is whole",
    parse: durationWithin(100, 3_600_000),
  },
  unaryTimeoutMs: {
    key: 'unary_timeout',
    fallback: `${UNARY_MS_MAX / 1000}s`,
    expects: '100ms to 1h',
    about: 'longest a call that is no stream may take from its first header on',
    parse: durationWithin(100, 3_600_000),
  },
}

/** Keys that are documented and have no effect yet: refused with the reason rather than ignored. */
export const NOT_YET: Readonly<Record<string, string>> = {
  join: 'adding a node to a formed cluster is not there yet',
}

/** Keys of the 2017 prototype that have lost their meaning: taken with a warning that says what replaces them. */
export const RETIRED: Readonly<Record<string, string>> = {
  gossip_port: 'nodes find each other through initial_cluster',
  initial_peers: 'use initial_cluster',
  bootstrap_raft: 'a cluster forms by itself from initial_cluster',
  offset_replication_factor: 'offsets live in the partition and have its replication factor',
  db_path: 'use data',
  verbose: 'use log_level',
  dc_name: 'use cluster_name',
}
