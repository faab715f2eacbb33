/** The replica of a timer partition as the broker drives it. */
import type { GroupHandle } from '../replication/group.ts'
import type { TimerEffect, TimerReply } from '../views/timer/commands.ts'
import type { TimerQueries } from '../views/timer/queries.ts'
import type { View } from '../views/view.ts'

/** A timer view as the broker uses it. */
type TimerPartitionView = View<TimerReply, TimerEffect> & TimerQueries
export type TimerHandle = GroupHandle<TimerReply, TimerEffect, TimerPartitionView>
