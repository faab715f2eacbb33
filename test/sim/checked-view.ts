/** A real timer view that tells what each command was and answered, so that replicas can be compared step by step. */
import { crc32 } from 'node:zlib'
import { createTimerView, type TimerView } from '../../src/views/timer/timer-view.ts'

/** `tell`: Raft index, place in the entry, and a text that is the same on every replica. */
export function checkedView(tell: (index: number, place: number, what: string) => void): TimerView {
  const view = createTimerView()
  const apply = view.apply.bind(view)
  let last = 0
  let place = 0
  view.apply = (command, context) => {
    place = context.index === last ? place + 1 : 0
    last = context.index
    const applied = apply(command, context)
    tell(context.index, place, `${crc32(command)} at ${context.at}: ${JSON.stringify(applied.reply)}`)
    return applied
  }
  return view
}
