/** Faults in the write-ahead log and the state (architecture §4 and §5). */
import { type Mutant, testsOf } from './mutant.ts'

const crash = testsOf('storage/wal/crash.test.ts')
const crashCases = testsOf('storage/wal/crash-cases.test.ts')
const damage = testsOf('storage/wal/damage.test.ts')
const faults = testsOf('storage/wal/faults.test.ts')
const recent = testsOf('storage/wal/recent.test.ts')
const release = testsOf('storage/wal/release.test.ts')
const logSize = testsOf('replication/log-size.test.ts')
const needs = testsOf('replication/checkpoints/follower-needs.test.ts')
const losses = testsOf('storage/wal/losses.test.ts')
const knownIds = testsOf('node/catalog/known-ids.test.ts')
const reconciler = testsOf('node/catalog/reconciler.test.ts')
const contract = testsOf('storage/state/contract.test.ts')
const snapshot = testsOf('storage/state/snapshot.test.ts')
const stateDamage = testsOf('storage/state/damage.test.ts')
const failedWrite = testsOf('storage/state/failed-write.test.ts')

export const STORAGE_MUTANTS: readonly Mutant[] = [
  {
    name: 'confirmed-before-fdatasync',
    breaks: 'architecture §4: a write takes effect and is confirmed only after the fdatasync of its batch',
    file: 'storage/wal/segment-files.ts',
    find: 'if (fsync) await datasync(file)',
    replace: 'if (fsync) void datasync(file)',
    killers: faults('confirm nothing before the fdatasync returns, then in order of append'),
  },
  {
    name: 'failed-fsync-ignored',
    breaks: 'architecture §4: a failed fsync is fatal, since what is durable is unknown',
    file: 'storage/wal/write-all.ts',
    find: 'if (error) reject(new SyncError(',
    replace: "if (error?.message === '') reject(new SyncError(",
    killers: faults(
      'stops for good when %s fails',
      'stops when an fdatasync fails for want of room: the pages may be gone',
    ),
  },
  {
    name: 'short-write-is-success',
    breaks: 'architecture §4: a short write counts as a failure; the file is cut and the batch kept',
    file: 'storage/wal/write-all.ts',
    find: 'else if (written < bytes) reject(',
    replace: 'else if (written < 0) reject(',
    killers: faults('keeps a batch that was written short, cuts the file and tries again'),
  },
  {
    name: 'recent-data-from-the-wrong-place',
    breaks: 'a reader gets the bytes that were written at the place of its entry, from memory as from the file',
    file: 'storage/wal/recent.ts',
    find: 'last.at + last.end - last.start === this.#used',
    replace: 'true',
    killers: recent('is what was written there, or not there at all, and what is there came last'),
  },
  {
    name: 'recent-data-without-bound',
    breaks: 'architecture §8: every buffer has a bound; what is given up is no longer counted, and is not held either',
    file: 'storage/wal/recent.ts',
    find: '(block.at === 0 ? slab.byteLength : 0)',
    replace: '0',
    killers: recent('keeps memory within its bound, and uses most of it'),
  },
  {
    name: 'corruption-taken-for-a-torn-tail',
    breaks: 'architecture §4: damage before a valid later batch is corruption, not a torn write',
    file: 'storage/wal/replay.ts',
    find: 'return result.problem?.proven ?? false',
    replace: 'return false',
    killers: damage('costs every replica if it lies before a valid batch'),
  },
  {
    name: 'ruins-of-a-later-batch-passed-over',
    breaks: 'formats.md: bytes behind the end that a sound head tells prove that its batch was durable',
    file: 'storage/wal/scan.ts',
    find: ' || (await writtenBehind(source, end, { seed, sequence }))',
    replace: '',
    killers: damage('costs every replica if it runs from the data of an earlier batch into the last one'),
  },
  {
    name: 'corruption-of-a-sealed-segment-accepted',
    breaks: 'architecture §4: every group that may have had records in a damaged segment loses its replica',
    file: 'storage/wal/replay.ts',
    find: 'return result.problem !== undefined || !result.sealed',
    replace: 'return false',
    killers: damage(
      'costs the groups that have records there their replicas, by the footer, and nobody else',
      'is detected when it is cut off between two batches',
    ),
  },
  {
    name: 'entry-crc-not-checked',
    breaks: 'architecture §4: what recovery offers matches the checksums it was written with',
    file: 'storage/wal/scan.ts',
    find: "if (!payloadsMatch(decoded, payloads)) return 'an entry does not match its CRC'",
    replace: '',
    killers: damage('costs every replica if it lies before a valid batch'),
  },
  {
    name: 'last-batch-not-written-again',
    breaks: 'architecture §4: recovery writes the last batch again, since an earlier fdatasync may have failed',
    file: 'storage/wal/open.ts',
    find: 'await writeAll(file, [readRange(file, position, bytes)], position)',
    replace: '',
    killers: faults('writes the last batch again on opening: after a failed fdatasync the page cache lies'),
  },
  {
    name: 'recovery-not-synced',
    breaks: 'architecture §4: recovery trusts nothing that may live in the page cache only',
    file: 'storage/wal/open.ts',
    find: 'await fullSync(file)',
    replace: '',
    killers: faults('makes durable on opening what an earlier run left in the page cache'),
  },
  {
    name: 'new-segment-without-hard-state',
    breaks:
      "architecture §4: a new segment's header repeats every group's hard state, or its vote goes with the old one",
    file: 'storage/wal/registry.ts',
    find: 'hard ? { group, replica, base, hard } : { group, replica, base }',
    replace: '{ group, replica, base }',
    killers: release('goes when the few live entries in it were copied forward, through the last index of their log'),
  },
  {
    name: 'new-segment-without-tombstones',
    breaks: 'architecture §4: a replica that lost its log never comes back under its id',
    file: 'storage/wal/registry.ts',
    find: 'else states.push({ group, replica, removed: true })',
    replace: '',
    killers: damage('stays known after the damaged file was put aside, and does not touch a later replica'),
  },
  {
    name: 'damage-told-only-once',
    breaks: 'architecture §4: status, log and metric say what was lost, after a restart as well',
    file: 'storage/wal/replay.ts',
    find: 'joined({ ...kept, places: stillLost(kept.places, registry) }, found)',
    replace: 'joined({ ...kept, places: [] }, found)',
    killers: damage(
      'stays known after the damaged file was put aside, and does not touch a later replica',
      'is told again if the process dies before anything was written',
    ),
  },
  {
    name: 'damage-remembered-without-sync',
    breaks: 'formats.md: what was lost is remembered durably before its tombstones are',
    file: 'storage/wal/quarantine.ts',
    find: 'await fullSync(file)',
    replace: '',
    killers: crashCases(
      'a damaged segment is put aside: the replicas it held never come back and are told, the others lose nothing',
    ),
  },
  {
    name: 'replicas-nobody-knows-of-forgotten',
    breaks: 'architecture §4: every group that may have had records in what is damaged loses its replica, known or not',
    file: 'storage/wal/quarantine.ts',
    find: 'return lost.length > 0 || place.everyGroup ?',
    replace: 'return lost.length > 0 ?',
    killers: damage('speaks for every group if what is remembered of it is damaged itself'),
  },
  {
    name: 'tombstone-forgotten-above-its-records',
    breaks: 'formats.md: a tombstone stays while a segment holds anything of its replica',
    file: 'storage/wal/registry.ts',
    find: 'lastPlace < oldest && !this.isAsked',
    replace: '!this.isAsked',
    killers: losses(
      'stays while a segment has records of its replica, or a header that repeats them: the one it is in may be damaged',
    ),
  },
  {
    name: 'tombstone-forgotten-of-a-replica-asked-for',
    breaks: 'a replica that lost its log never comes back under its id',
    file: 'storage/wal/registry.ts',
    find: ' && !this.isAsked(group, replica)',
    replace: '',
    killers: losses('stays as long as somebody may ask, and before it is known who may'),
  },
  {
    name: 'new-damage-bounded-by-an-old-mark',
    breaks: 'formats.md: every replica that came before damage of nobody knows whom may have been lost there',
    file: 'storage/wal/quarantine.ts',
    find: 'lostBelow = Number.POSITIVE_INFINITY\n    if (before',
    replace: 'void 0\n    if (before',
    killers: losses('that is new puts what is remembered of earlier damage out of force; known damage does not'),
  },
  {
    name: 'ids-of-a-catalog-set-back',
    breaks: 'what a log forgets rests on the catalog as it was after the log was opened, or newer',
    file: 'node/catalog/known-ids.ts',
    find: 'if (isBehind()) continue',
    replace: '',
    killers: knownIds(
      'what is read was applied here at that moment: a replica that a snapshot has set back is waited for',
    ),
  },
  {
    name: 'new-replica-before-the-catalog-is-known',
    breaks: 'a replica that is new here starts once the catalog is known as it was after the process began',
    file: 'node/catalog/reconciler.ts',
    find: 'if (mayStart?.has(group) === false) continue',
    replace: '',
    killers: reconciler(
      'what is new here is started once the catalog is known as it is now, what has a log at once',
      'what is new here and was deleted meanwhile is never started',
    ),
  },
  {
    name: 'damaged-segment-left-in-place',
    breaks: 'architecture §4: nobody but those who may have had records in a damaged segment loses a replica',
    file: 'storage/wal/open.ts',
    find: 'await putAside(disk, dir, found.damagedFiles)',
    replace: '',
    killers: damage('costs nobody else anything when the segment behind it goes before anything is written'),
  },
  {
    name: 'new-segment-without-directory-sync',
    breaks: 'architecture §4: directory fsync after create, rename, delete',
    file: 'storage/wal/segment.ts',
    find: 'await disk.syncDir(dir)',
    replace: '',
    killers: crash('loses nothing confirmed, wherever in a scenario the power goes'),
  },
  {
    name: 'segment-released-with-live-entries',
    breaks: 'architecture §4: a segment stays while a group has entries in it that no checkpoint covers',
    file: 'storage/wal/release.ts',
    find: 'due.retained ? log.covered :',
    replace: 'due.retained ? log.lastIndex() :',
    killers: crash('loses nothing confirmed, wherever in a scenario the power goes'),
  },
  {
    name: 'log-held-by-what-no-checkpoint-covers',
    breaks: 'formats, "Size of the log": entries that wait for a quorum are copied once twice as much lies behind them',
    file: 'storage/wal/release.ts',
    find: 'behind < COPY_BEHIND * uncoveredBytes(logs())',
    replace: 'uncoveredBytes(logs()) > 0',
    killers: release(
      'that many groups hold whom no checkpoint relieves goes once twice as much lies behind it, by copies in parts',
    ),
  },
  {
    name: 'log-held-beyond-what-is-retained',
    breaks: 'formats, "Size of the log": a follower further behind than wal_retain_bytes gets a snapshot',
    file: 'storage/wal/release.ts',
    find: 'const due = { retained: behind >= retainBytes,',
    replace: 'const due = { retained: behind < 0,',
    killers: logSize('with a follower that is dead: its log is kept up to the bound, then it gets a snapshot'),
  },
  {
    name: 'segment-deleted-before-its-copies-are-durable',
    breaks: 'architecture §4: a segment goes only when what replaces it is durable',
    file: 'storage/wal/shard-wal.ts',
    find: 'this.#proofDue = false\n    const written',
    replace:
      'this.#proofDue = false\n    if (batch.release?.segment) this.#delete(batch.release.segment)\n    const written',
    killers: release('is deleted only after the base that replaces it is durable'),
  },
  {
    name: 'removed-state-still-damaged',
    breaks: 'architecture §4: damaged state with an intact log is made anew',
    file: 'storage/state/store.ts',
    find: 'this.#known.removed(group)',
    replace: '',
    killers: stateDamage('a group whose head was lost begins anew once it is removed'),
  },
  {
    name: 'checkpoint-not-synced',
    breaks: 'architecture §5: what the release of the log relies on is written with sync',
    file: 'storage/state/level-batch.ts',
    find: 'sync: true',
    replace: 'sync: false',
    killers: failedWrite('none is left to the page cache: every batch is written with sync'),
  },
  {
    name: 'failed-checkpoint-write-taken-for-done',
    breaks: 'architecture §5: any failed write reopens the database, and layers and log still hold the data',
    file: 'storage/state/checkpoint.ts',
    find: 'if (batches(now) > batches(checkpoint.head) && now !== undefined) return now',
    replace: 'if (now !== undefined) return now',
    killers: failedWrite('reopens the database and the checkpoint is written again'),
  },
  {
    name: 'snapshot-of-half-the-chunks',
    breaks: 'architecture §5: a snapshot is installed whole or not at all',
    file: 'storage/state/snapshot-sink.ts',
    find: 'if (!this.#complete) throw',
    replace: 'if (this.#number < 0) throw',
    killers: snapshot('a chunk that is damaged, repeated, left out or of another snapshot is refused'),
  },
  {
    name: 'copied-log-still-holds-its-segment',
    breaks: 'docs/formats.md, size of the log: what was copied forward no longer holds the segment it came from',
    file: 'storage/wal/replica-log.ts',
    find: ' && span.last > this.#base.index) break',
    replace: ') break',
    killers: release(
      'that holds more than is copied at once goes though checkpoints cover the beginning of what each group has there',
    ),
  },
  {
    name: 'log-not-held-for-a-snapshot',
    breaks: 'formats, "Size of the log": the log behind a snapshot on its way is kept beyond what is retained',
    file: 'storage/wal/release.ts',
    find: 'const held = !due.held && log.heldFrom <= last',
    replace: 'const held = false',
    killers: needs(
      'is the only one: the log behind it is there when it has come, and until its receiver has caught up',
    ),
  },
  {
    name: 'log-held-without-bound',
    breaks:
      'formats, "Size of the log": the log behind a snapshot on its way is kept up to four times what is retained',
    file: 'storage/wal/release.ts',
    find: 'held: isUrgent || behind >= HELD_TIMES * retainBytes',
    replace: 'held: isUrgent',
    killers: needs(
      'that is more than four times as much goes on; the log is released and that is told, and another one follows',
    ),
  },
  {
    name: 'layer-dropped-before-it-is-below',
    breaks: 'architecture §5: what is put while a checkpoint is in flight stays readable and is not lost',
    file: 'storage/state/group-state.ts',
    find: 'const below = this.#layers.freeze()',
    replace: 'const below = this.#layers.freeze()\n    this.#layers.drop(below)',
    killers: contract('a scan sees what was there when it was called, whatever is written and checkpointed meanwhile'),
  },
]
