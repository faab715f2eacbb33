/** Short ways to write entries, configurations and messages in tests. */
import type { ConfState, Entry } from '../../../src/base/log-entry.ts'
import { type MessageFields, makeMessage } from '../../../src/raft/state.ts'
import type { Message, MessageType } from '../../../src/raft/types.ts'

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function text(data: Uint8Array): string {
  return new TextDecoder().decode(data)
}

/** A log from index `first` on, given as the terms of its entries. */
export function entriesOf(terms: readonly number[], first = 1): Entry[] {
  return terms.map((term, at) => ({ term, index: first + at, type: 'normal', data: bytes(`t${term}i${first + at}`) }))
}

export function votersOf(...voters: number[]): ConfState {
  return { voters, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }
}

export function membersOf(voters: number[], learners: number[]): ConfState {
  return { voters, votersOutgoing: [], learners, learnersNext: [], autoLeave: false }
}

export function messageOf(
  type: MessageType,
  from: number,
  to: number,
  term: number,
  fields: MessageFields = {},
): Message {
  return makeMessage(type, to, { ...fields, from, term })
}
