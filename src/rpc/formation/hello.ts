/** A hello of the formation between its value and its message. */
import { FORMATION_STATE } from '../control/proto.ts'
import type { FormationHello } from './types.ts'

export type WireHello = Omit<FormationHello, 'state'> & { readonly state: number }

const STATES = ['empty', 'prepared', 'formed'] as const

export function toWire(hello: FormationHello): WireHello {
  const members = hello.members.map(({ name, raft }) => ({ name, raft }))
  return { ...hello, members, state: FORMATION_STATE[hello.state] }
}

/** undefined: a state of a later version. */
export function fromWire(hello: WireHello): FormationHello | undefined {
  const state = STATES.find((name) => FORMATION_STATE[name] === hello.state)
  return state === undefined ? undefined : { ...hello, state }
}
