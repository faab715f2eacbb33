/** Faults in what is kept in memory: queues that do not let go, bounds that count too little. */
import { type Mutant, testsOf } from './mutant.ts'

const memory = testsOf('memory/memory.test.ts')

export const MEMORY_MUTANTS: readonly Mutant[] = [
  {
    name: 'queue-keeps-what-it-gave-away',
    breaks: 'every queue drops its reference when it gives an element away',
    file: 'base/fifo.ts',
    find: 'this.#ring[this.#head] = undefined\n',
    replace: '',
    killers: memory('a lane in which something always waits keeps nothing of what it gave away'),
  },
  {
    name: 'lanes-without-the-bound-of-the-node',
    breaks: 'commands that wait are bounded over all partitions of a node',
    file: 'broker/lane.ts',
    find: '|| this.#budget.fullFor(this.#cost)',
    replace: '',
    killers: memory('commands that wait share the bound of the node, over however many partitions'),
  },
]
