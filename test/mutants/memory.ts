/** Faults in what is kept in memory: queues that do not let go, bounds that count too little. */
import { type Mutant, testsOf } from './mutant.ts'

const fifo = testsOf('base/fifo.test.ts')
const lane = testsOf('broker/lane.test.ts')

export const MEMORY_MUTANTS: readonly Mutant[] = [
  {
    name: 'queue-keeps-what-it-gave-away',
    breaks: 'every queue drops its reference when it gives an element away',
    file: 'base/fifo.ts',
    find: 'this.#ring[this.#head] = undefined\n',
    replace: '',
    killers: fifo('what was given away is not referred to any more'),
  },
  {
    name: 'lanes-without-the-bound-of-the-node',
    breaks: 'commands that wait are bounded over all partitions of a node',
    file: 'broker/lane.ts',
    find: '|| this.#budget.fullFor(this.#cost)',
    replace: '',
    killers: lane('lanes of many partitions share what the node has, and who has nothing waiting finds room'),
  },
]
