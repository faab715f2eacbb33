/**
 * Configurations (§6) seen from outside: every replica goes through the same ones at the same indexes, any two that
 * follow each other have no two quorums apart, and nobody is elected under one that is older than the last but one.
 */
import type { GroupId } from '../../../src/base/ids.ts'
import type { ConfState } from '../../../src/base/log-entry.ts'

interface Step {
  /** In force for whoever has applied everything up to here. */
  readonly index: number
  readonly conf: ConfState
}

export class ConfChecker {
  readonly #fail: (kind: string, text: string) => void
  readonly #steps = new Map<GroupId, Step[]>()

  constructor(fail: (kind: string, text: string) => void) {
    this.#fail = fail
  }

  /** A replica that has applied everything up to `index` is under `conf`. */
  under(group: GroupId, index: number, conf: ConfState): void {
    const steps = this.#of(group)
    const last = steps.at(-1)
    const known = stepAt(steps, index)
    if (known !== undefined && isEqual(known.conf, conf)) return
    if (last !== undefined && index <= last.index) {
      this.#fail('confDiffers', `group ${group} has at ${index} both ${show(known?.conf)} and ${show(conf)}`)
      return
    }
    if (last !== undefined && haveQuorumsApart(last.conf, conf)) {
      this.#fail('quorumsApart', `group ${group} goes at ${index} from ${show(last.conf)} to ${show(conf)}`)
    }
    steps.push({ index, conf })
  }

  /** A replica that has applied everything up to `index` was elected. */
  elected(group: GroupId, index: number): void {
    const steps = this.#of(group)
    const own = stepAt(steps, index)
    const behind = steps.length - 1 - (own === undefined ? 0 : steps.indexOf(own))
    if (behind > 1) {
      this.#fail('electedUnderOldConf', `group ${group} elects under ${show(own?.conf)}, ${behind} changes ago`)
    }
  }

  #of(group: GroupId): Step[] {
    const steps = this.#steps.get(group) ?? []
    this.#steps.set(group, steps)
    return steps
  }
}

/** The newest step at or before `index`. */
function stepAt(steps: readonly Step[], index: number): Step | undefined {
  for (let at = steps.length - 1; at >= 0; at--) {
    const step = steps[at]
    if (step !== undefined && step.index <= index) return step
  }
  return undefined
}

/** Whether some set of replicas is a quorum of one and the rest a quorum of the other. Tries all: there are few voters. */
function haveQuorumsApart(one: ConfState, other: ConfState): boolean {
  const ids = [...new Set([one, other].flatMap(({ voters, votersOutgoing }) => [...voters, ...votersOutgoing]))]
  for (let set = 0; set < 2 ** ids.length; set++) {
    const isIn = (id: number) => ((set >> ids.indexOf(id)) & 1) === 1
    if (isQuorum(one, isIn) && isQuorum(other, (id) => !isIn(id))) return true
  }
  return false
}

/** Of a joint configuration: of both halves. */
export function isQuorum({ voters, votersOutgoing }: ConfState, isIn: (id: number) => boolean): boolean {
  return [voters, votersOutgoing].every((half) => half.length === 0 || half.filter(isIn).length * 2 > half.length)
}

function isEqual(one: ConfState, other: ConfState): boolean {
  return one === other || show(one) === show(other)
}

function show(conf: ConfState | undefined): string {
  return JSON.stringify(conf)
}
