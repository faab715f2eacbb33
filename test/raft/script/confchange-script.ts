/** Configuration scripts: one configuration, changed step by step, with the progress of its members. */
import type { ConfState } from '../../../src/base/log-entry.ts'
import {
  type Changed,
  type ConfigurationRefusal,
  EMPTY_CONFIGURATION,
  enterJoint,
  leaveJoint,
  members,
  simpleChange,
} from '../../../src/raft/configuration.ts'
import { describeConfiguration } from './describe.ts'
import type { Directive } from './grammar.ts'
import { parseSteps } from './names.ts'

const REFUSALS = {
  alreadyJoint: 'config is already joint',
  noVotersYet: "can't make a zero-voter config joint",
  notJoint: "can't leave a non-joint config",
  simpleInJoint: "can't apply simple config change in joint config",
  moreThanOneVoter: 'more than one voter changed without entering joint config',
  noVotersLeft: 'removed all voters',
} as const satisfies Record<ConfigurationRefusal, string>

export class ConfChangeScript {
  #conf: ConfState = EMPTY_CONFIGURATION
  /** Next index of each member: that of the directive that added it. */
  #next = new Map<number, number>()
  #lastIndex = 0

  run(directive: Directive): string {
    const changed = this.#change(directive)
    const lastIndex = this.#lastIndex++
    if ('refused' in changed) return `${REFUSALS[changed.refused]}\n`
    this.#conf = changed.next
    const kept = this.#next
    this.#next = new Map(
      members(changed.next).map((id) => {
        const old = changed.restarted.has(id) ? undefined : kept.get(id)
        return [id, old ?? Math.max(lastIndex, 1)]
      }),
    )
    return `${describeConfiguration(this.#conf)}\n${this.#describeProgress()}`
  }

  #change({ command, args, input }: Directive): Changed {
    if (command === 'simple') return simpleChange(this.#conf, parseSteps(input))
    if (command === 'leave-joint') return leaveJoint(this.#conf)
    if (command !== 'enter-joint') throw new Error(`unknown command ${command}`)
    const autoLeave = args.some(({ key, values }) => key === 'autoleave' && values[0] === 'true')
    return enterJoint(this.#conf, parseSteps(input), autoLeave)
  }

  #describeProgress(): string {
    const rows = [...this.#next].map(([id, next]) => {
      const learner = this.#conf.learners.includes(id) ? ' learner' : ''
      return `${id}: StateProbe match=0 next=${next}${learner}\n`
    })
    return rows.join('')
  }
}
