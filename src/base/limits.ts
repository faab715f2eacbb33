/** Every bound of the house, with its reason. Bytes unless the name says otherwise. */
const KIB = 1024
const MIB = 1024 * KIB

/** Public limits (docs/semantics.md): a request beyond them is refused with INVALID and the field. */
export const NAME_CHARS_MAX = 128
export const KEY_BYTES_MAX = 4 * KIB
export const HEADERS_BYTES_MAX = 16 * KIB
export const MESSAGE_BYTES_MAX = MIB
export const FRAME_BYTES_MAX = 4 * MIB
/** What a public port reads at all, so that a frame somewhat too large is refused with its field rather than by gRPC. */
export const RECEIVE_BYTES_MAX = 4 * FRAME_BYTES_MAX
/**
 * Defaults of what a node takes from clients: connections; streams of one of them and of all; bytes of requests that are not
 * whole or not answered and of answers that are not taken; the time for a frame, and for a unary call.
 */
export const CONNECTIONS_MAX = 4096
/** Of the other ports: probes and scrapes are few, peers as many as nodes. */
export const SIDE_CONNECTIONS_MAX = 256
export const PEER_CONNECTIONS_MAX = 1024
/** Of one node: two lanes, calls and snapshots, and what a cut network has left behind. */
export const PEER_CONNECTIONS_PER_NODE_MAX = 32
/**
 * Calls of one connection and of all, and bytes of what is not whole, or waits to be taken, of all: 16 frames of each lane of
 * each peer are read ahead.
 */
export const PEER_STREAMS_PER_CONNECTION_MAX = 100
export const PEER_STREAMS_MAX = 4096
export const PEER_UNFINISHED_BYTES_MAX = 256 * MIB
/** For a connection to the peer port to say who it is. */
export const PEER_HANDSHAKE_MS_MAX = 10_000
export const STREAMS_PER_CONNECTION_MAX = 10_000
export const STREAMS_MAX = 20_000
export const UNFINISHED_BYTES_MAX = 128 * MIB
/** Below this a few large requests would be more than the node takes. */
export const UNFINISHED_BYTES_MIN = 4 * RECEIVE_BYTES_MAX
export const FRAME_MS_MAX = 30_000
export const UNARY_MS_MAX = 30_000
export const DELAY_MS_MAX = 10 * 366 * 24 * 3600 * 1000
/** Unicode code points, so that it is the same number in every language. */
export const NACK_REASON_CHARS_MAX = 256
export const PARTITIONS_MAX = 1024
export const REPLICATION_FACTOR_MAX = 7
/** Indexes and fences: the difference of two of them is written in twice its range, which must stay below 2^53. */
export const COUNTER_MAX = 2 ** 52 - 1
/** What a snapshot says of a counter that rises one by one: from here on nobody gets to the end. */
export const COUNTER_GIVEN_MAX = 2 ** 51
/** 48 bits of an offset hold the due time. */
export const DUE_MS_MAX = 2 ** 48 - 1

/** One Raft entry is what a leader was asked for in one turn, up to this: bounds apply time and frame size. */
export const ENTRY_MESSAGES_MAX = 1024
export const ENTRY_BYTES_MAX = MIB
/**
 * A command larger than an entry goes alone in one: the bodies of a client's frame, channel names and numbers beside them.
 * Whoever proposes checks the encoded size: what is larger is refused with INVALID and the field that makes it so.
 */
export const COMMAND_BYTES_MAX = FRAME_BYTES_MAX + 256 * KIB

/** A frame between nodes: large enough to fill a link, small enough not to block heartbeats behind it. */
export const PEER_FRAME_BYTES = 256 * KIB
/** Messages in a frame: more than fill one, since each takes at least 82 bytes of it by the sender's count. */
export const PEER_ENVELOPES_MAX = 4096
/** Log entries in a frame, which counts 16 bytes for each. */
export const PEER_ENTRIES_MAX = PEER_FRAME_BYTES / 16
/** Partitions of all topics together: each is a Raft group with its memory on every node that carries it. */
export const CATALOG_PARTITIONS_MAX = 16_384
/** Names and addresses of a node, or of a topic, with room to spare. */
export const CATALOG_COMMAND_BYTES_MAX = 16 * KIB
/** Ids come one by one from the catalog, log indexes one by one from proposals: nobody gets there in a thousand years. */
export const ID_MAX = 2 ** 50
export const LOG_INDEX_MAX = 2 ** 50
/** Replicas of a group in one list: the catalog has one on each node. */
export const GROUP_MEMBERS_MAX = 1024
/**
 * Terms (docs/decisions/013-terms-of-peers.md). A message may raise the term by a step at any time, by a leap now and then.
 * At the last term there is no election any more.
 */
export const TERM_MAX = 2 ** 52
export const TERM_STEP_MAX = 1024
export const TERM_LEAP_MAX = 2 ** 32
export const TERM_LEAP_EVERY_MS = 10_000
/** Queued to one peer before frames are dropped and the peer is reported unreachable. */
export const PEER_QUEUE_BYTES_MAX = 16 * MIB
/** Proposed but not committed, per group: what a leader without quorum may pile up. */
export const UNCOMMITTED_BYTES_MAX = 32 * MIB
/**
 * Commands that wait to be proposed, or are proposed and not answered, over all partitions of a node: produces, and what
 * settles (acks, deliveries, attachments), which must find room beside them.
 */
export const NODE_PRODUCE_BYTES_MAX = 128 * MIB
export const NODE_SETTLE_BYTES_MAX = 64 * MIB
/** Written to one stream and not taken by its peer before nothing more is handed out; and to all streams of a node. */
export const OUTFLOW_BYTES_MAX = 2 * MIB
export const NODE_OUTFLOW_BYTES_MAX = 128 * MIB
/** Frames of produce streams that wait for a leader, or were passed on to one and not answered, over all streams of a node. */
export const NODE_PASSING_BYTES_MAX = 128 * MIB
export const INFLIGHT_APPENDS_MAX = 64
export const INFLIGHT_BYTES_MAX = 8 * MIB

/** One LevelDB batch: a checkpoint freezes the top layer before it outgrows this. */
export const CHECKPOINT_BYTES = 16 * MIB
/** Default of `memory_max_bytes`: unsaved layers of all replicas of a node. */
export const MEMORY_BYTES = 1024 * MIB
/** Unsaved layers of a node that are held at ease: beyond it a busy node would need more memory, and longer to restart. */
export const MEMORY_RELIEF_BYTES = 24 * MIB
export const SEGMENT_BYTES = 64 * MIB
/** Default of `wal_retain_bytes`: log kept for followers beyond what recovery needs. */
export const WAL_RETAIN_BYTES = 256 * MIB
/** Default and lowest value of `snapshot_bytes_per_second`: a transfer leaves room on the link and ends. */
export const SNAPSHOT_BYTES_PER_SECOND = 32 * MIB
export const SNAPSHOT_BYTES_PER_SECOND_MIN = 64 * KIB

/** Leased, parked and due redeliveries of one group and partition; at the bound the cursor waits. */
export const OUTSTANDING_MAX = 100_000
/** Names that one partition's view keeps in memory: channels of a partition, groups of a channel, sessions of a group. */
export const CHANNELS_MAX = 256
export const GROUPS_MAX = 1_000
export const SESSIONS_MAX = 10_000
/** Stored offsets remembered per (producer, partition). */
export const PRODUCER_OFFSETS_MAX = 1024
export const PRODUCER_TTL_MS = 3600 * 1000
/** Producers remembered per partition; the oldest idle one goes first. */
export const PRODUCERS_MAX = 10_000
/** Runs of stored offsets remembered over all producers of a partition (about 40 bytes each). */
export const PRODUCER_RUNS_MAX = 1_000_000
/** Bodies that leaders of a node keep at hand for deliveries to come, counted by what they pin, and what they read. */
export const LOOK_AHEAD_BYTES_MAX = 64 * MIB
/** Of them, for one window: several full entries in flight; more would only pin bodies. */
export const WINDOW_BYTES_MAX = 16 * MIB
/** Bodies of deliveries that leaders of a node have proposed and not yet applied. */
export const FLIGHT_BYTES_MAX = 32 * MIB
/**
 * A group that nobody has asked for anything for so long sleeps: well above the 500 ms between two marks of a consumer's
 * stream, which keep its group awake, and between two balancings of leaderships.
 */
export const IDLE_MS = 2000
/** Apply, replay and checkpoint filling give the event loop back after this long. */
export const SLICE_MS = 5
/**
 * Replicas visited and ticked, messages of peers taken, and writes confirmed in one turn of the event loop; what is more waits for
 * the next, behind what has come in meanwhile. Counts and not times, and large beside what a turn costs anyway: a node that
 * waits for a processor must not get less done. So they grow where they do not suffice: at least so great a part of all that
 * wait has its turn in each, and messages that wait turn after turn are taken in ever larger lots.
 */
export const VISITS_PER_TURN = 256
export const TICKS_PER_TURN = 512
export const TURNS_PER_ROUND = 4
export const MESSAGES_PER_TURN = 256
export const MESSAGES_PER_TURN_MAX = 16 * MESSAGES_PER_TURN
export const WRITES_PER_BATCH = 512
/** Frames handed to streams of clients: each costs the library about 50 us, the first of a stream twice as much. */
export const WRITES_PER_TURN = 128
