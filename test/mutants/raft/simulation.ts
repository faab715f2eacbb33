/** The simulation of the core alone as a killer: its checkers find these faults in one of the first seeds. */
import type { Killer } from '../mutant.ts'

export const SIMULATION: Killer = {
  file: 'raft/simulation/simulation.test.ts',
  test: 'no seed breaks an invariant of figure 3, and every healed cluster makes progress',
}
