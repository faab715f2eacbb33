/** All mutants, in the order in which they are tried. */
import { BOUNDARY_MUTANTS } from './boundary.ts'
import { BROKER_MUTANTS } from './broker.ts'
import { MEMORY_MUTANTS } from './memory.ts'
import type { Mutant } from './mutant.ts'
import { ELECTION_MUTANTS } from './raft/elections.ts'
import { LOG_MUTANTS } from './raft/log.ts'
import { LOST_STATE_MUTANTS } from './raft/lost-state.ts'
import { MEMBERSHIP_MUTANTS } from './raft/membership.ts'
import { QUIESCENCE_MUTANTS } from './raft/quiescence.ts'
import { STALL_MUTANTS } from './raft/stalls.ts'
import { REPLICATION_MUTANTS } from './replication.ts'
import { REQUEST_MUTANTS } from './requests.ts'
import { STORAGE_MUTANTS } from './storage.ts'
import { VIEW_MUTANTS } from './views.ts'

export const MUTANTS: readonly Mutant[] = [
  ...ELECTION_MUTANTS,
  ...LOG_MUTANTS,
  ...MEMBERSHIP_MUTANTS,
  ...LOST_STATE_MUTANTS,
  ...QUIESCENCE_MUTANTS,
  ...STALL_MUTANTS,
  ...STORAGE_MUTANTS,
  ...VIEW_MUTANTS,
  ...REPLICATION_MUTANTS,
  ...BOUNDARY_MUTANTS,
  ...BROKER_MUTANTS,
  ...MEMORY_MUTANTS,
  ...REQUEST_MUTANTS,
]
