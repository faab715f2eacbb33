/** Faults in what is asked of a request before anything is proposed (docs/semantics.md, limits). */
import { type Mutant, testsOf } from './mutant.ts'

const proposer = testsOf('broker/proposer.test.ts')
const requests = testsOf('wire/requests.test.ts')

export const REQUEST_MUTANTS: readonly Mutant[] = [
  {
    name: 'command-size-not-checked',
    breaks: 'a command that is too large once encoded is refused, and never proposed',
    file: 'broker/proposer.ts',
    find: 'if (bytes.length > COMMAND_BYTES_MAX) {',
    replace: 'if (bytes.length > 2 * COMMAND_BYTES_MAX) {',
    killers: proposer(
      'a command that is too large once encoded is refused by its field and never proposed; the next one is',
    ),
  },
  {
    name: 'fence-bound-not-checked',
    breaks: 'indexes and fences are below 2^52, so that a difference of two of them can be written',
    file: 'wire/queue-requests.ts',
    find: "  checkCounters(request.fence, 'fence')\n",
    replace: '',
    killers: requests('acks, nacks, extends and credit are checked'),
  },
]
