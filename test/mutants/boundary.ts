/** Faults of the gate before the core: what another node says is believed, though no honest one says it. */
import { type Mutant, testsOf } from './mutant.ts'

const lies = testsOf('replication/boundary/lies.test.ts')
const frames = testsOf('replication/frame/frame.test.ts')
const connections = testsOf('rpc/peer/connections.test.ts')
const transport = testsOf('rpc/peer/transport.test.ts')
const book = testsOf('rpc/bounds/call-book.test.ts')

export const BOUNDARY_MUTANTS: readonly Mutant[] = [
  {
    name: 'entries-not-read-before-the-log',
    breaks: 'no entry from another node reaches a log before it is decoded whole',
    file: 'replication/boundary/entries.ts',
    find: 'if (!isWhole(entry, isCommand))',
    replace: 'if (!isWhole(entry, isCommand) && entry.index < 0)',
    killers: lies('of an entry %s'),
  },
  {
    name: 'heartbeat-commit-beyond-the-log-believed',
    breaks: "a heartbeat's commit is at most the last index",
    file: 'replication/boundary/gate.ts',
    find: 'if (m.commit > raft.lastIndex)',
    replace: 'if (m.commit > 2 * raft.lastIndex + 2e9)',
    killers: lies('a heartbeat that commits what the replica does not have'),
  },
  {
    name: 'from-on-another-node-believed',
    breaks: 'a node speaks for its own replicas alone',
    file: 'replication/boundary/gate.ts',
    find: 'if (home !== node)',
    replace: 'if (home !== node && home < 0)',
    killers: lies('a message in the name of a replica that lives on another node'),
  },
  {
    name: 'unknown-replica-stepped',
    breaks: 'a message of a replica that is not known here is dropped',
    file: 'replication/boundary/gate.ts',
    find: 'if (home === 0) return false',
    replace: 'if (home === 0) return true',
    killers: lies('a message of a replica that is not known here is dropped and counted'),
  },
  {
    name: 'terms-leap-without-end',
    breaks: 'a message raises the term by a step, or by a leap now and then',
    file: 'replication/boundary/term-guard.ts',
    find: '<= TERM_STEP_MAX ||',
    replace: '<= 2 ** 50 ||',
    killers: lies('is not raised by leaps one after the other'),
  },
  {
    name: 'snapshot-offered-without-its-end',
    breaks: 'a snapshot is offered to the core only once its last chunk is verified',
    file: 'storage/state/snapshot-sink.ts',
    find: 'if (!this.#complete) throw',
    replace: 'if (!this.#complete && this.#number < 0) throw',
    killers: lies('that ends without its last chunk is never offered to the core'),
  },
  {
    name: 'frame-of-any-number-of-messages',
    breaks: 'the messages in a frame are bounded',
    file: 'replication/frame/frame.ts',
    find: "reader.number('envelopes', PEER_ENVELOPES_MAX)",
    replace: "reader.varint('envelopes')",
    killers: frames('more messages or entries than a sender puts into a frame'),
  },
  {
    name: 'rows-of-a-snapshot-not-looked-at',
    breaks: 'a row that its view cannot have is refused before anything is given up for the snapshot',
    file: 'storage/state/snapshot-sink.ts',
    find: 'if (check !== undefined && !check.takes(key, value)) {',
    replace: 'if (check !== undefined && !check.takes(key, value) && key === undefined) {',
    killers: [
      ...lies('of rows %s is refused before anything is given up for it'),
      ...testsOf('storage/state/snapshot.test.ts')(
        'rows out of order, or that are not taken, are refused with their chunk; what is staged is read before it counts',
      ),
    ],
  },
  {
    name: 'rows-of-a-snapshot-believed-together',
    breaks: 'rows that cannot be together are refused, and end nothing',
    file: 'views/timer/load.ts',
    find: "assert(slots.find(record.index) === NONE, 'a message is outstanding once')",
    replace: '',
    killers: testsOf('views/timer/check/rows.test.ts')('%s are refused'),
  },
  {
    name: 'delivery-to-an-index-ahead',
    breaks: 'a command that passes the check is applied without a fault in any state',
    file: 'views/timer/deliver.ts',
    find: 'if (to.index > partition.lastIndex) return false',
    replace: '',
    killers: testsOf('views/timer/deliver.test.ts')('the cursor goes neither back nor beyond the last index'),
  },
  {
    name: 'violation-leaves-the-connection',
    breaks: 'a violation closes the connection, with all that is open on it',
    file: 'rpc/peer/connections.ts',
    find: 'known.dropped = true',
    replace: 'known.dropped = false',
    killers: connections('a violation is refused, and ends the connection with all that is open on it'),
  },
  {
    name: 'strangers-as-peers',
    breaks: 'a connection counts as that of a peer once its caller is admitted, and not before',
    file: 'rpc/peer/port.ts',
    find: '(connection) => tracked.begin(connection)',
    replace:
      '(connection) => {\n      tracked.begin(connection)\n      connection.serving = 1\n      connection.used = true\n    }',
    killers: connections('however many strangers connect, peers stay and new ones get in'),
  },
  {
    name: 'violation-does-not-slow',
    breaks: 'who ended the last connection for a violation is not tried at once because it was heard from',
    file: 'rpc/peer/link.ts',
    find: " || this.#state === 'accepted' || !this.#sound) return",
    replace: " || this.#state === 'accepted') return",
    killers: transport('comes back ever more slowly to a peer that ends each stream as a violation'),
  },
  {
    name: 'peer-queue-counts-what-it-sends',
    breaks: 'every bound of bytes counts what is kept in memory for them',
    file: 'rpc/peer/link.ts',
    find: 'const bytes = pinnedBytes(frame)',
    replace: 'const bytes = frame.byteLength',
    killers: transport('counts what a frame keeps in memory, which is the buffer that it was cut from'),
  },
  {
    name: 'lost-answer-is-a-refusal',
    breaks: 'a request that was passed on and has no answer may have been stored',
    file: 'rpc/forwarding.ts',
    find: 'errors.fromStatus(status, { mutating })',
    replace: 'errors.fromStatus(status, { mutating: mutating && false })',
    killers: testsOf('rpc/pull.test.ts')(
      'what was passed on to a node that goes before it answers is unknown: it may have been stored',
    ),
  },
  {
    name: 'frame-of-an-unknown-version',
    breaks: 'a frame of an unknown version is refused as a whole',
    file: 'replication/frame/frame.ts',
    find: 'if (version !== VERSION)',
    replace: 'if (version > 200)',
    killers: frames('%s, when byte %i is %i'),
  },
  {
    name: 'command-of-a-peer-of-any-size',
    breaks: 'what a node forwards to the catalog is bounded, and a violation beyond',
    file: 'rpc/control/service.ts',
    find: 'byteLength > CATALOG_COMMAND_BYTES_MAX',
    replace: 'byteLength > 2 * CATALOG_COMMAND_BYTES_MAX',
    killers: testsOf('rpc/control.test.ts')('%s beyond its bound is a violation, and reaches nobody'),
  },
  {
    name: 'unfinished-bytes-without-bound',
    breaks: 'unfinished bytes of all clients are bounded: who has most gives way',
    file: 'rpc/bounds/call-book.ts',
    find: 'while (this.#held > this.#bounds.unfinishedBytes)',
    replace: 'while (this.#held < 0)',
    killers: book('beyond the bound of bytes the connection that holds most gives way, first what it has held longest'),
  },
  {
    name: 'first-frame-never-due',
    breaks: 'a stream without its first frame ends in time',
    file: 'rpc/bounds/call-book.ts',
    find: 'if (call.streaming) this.#frames.add(call)\n    else',
    replace: 'if (!call.streaming)',
    killers: book(
      'a stream without its first frame is late, and one whose frame does not end; a unary call by its own time',
    ),
  },
]
