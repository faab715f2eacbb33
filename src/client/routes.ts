// Where each partition's leader is, as far as this client knows: topic metadata from any node, corrected by the hints of
// NOT_LEADER. A look-up of one topic runs once however many wait for it.
import type { Topic } from '../wire/messages.ts'
import type { Calls } from './calls.ts'

/** Topics remembered; the longest unused is forgotten first. */
const TOPICS_MAX = 10_000

export class Routes {
  readonly #calls: Calls
  readonly #topics = new Map<string, Route>()
  readonly #running = new Map<string, Promise<Route>>()

  constructor(calls: Calls) {
    this.#calls = calls
  }

  /** What is known of a topic without asking. */
  known(topic: string): Route | undefined {
    return this.#topics.get(topic)
  }

  /** Asks unless known. Rejects with TOPIC_NOT_FOUND or what Calls rejects with. */
  async topic(topic: string): Promise<Route> {
    return this.known(topic) ?? (await this.refresh(topic))
  }

  /** Asks in any case, once for all who wait. */
  refresh(topic: string): Promise<Route> {
    const running = this.#running.get(topic)
    if (running !== undefined) return running
    const asked = this.#ask(topic).finally(() => this.#running.delete(topic))
    this.#running.set(topic, asked)
    return asked
  }

  /** After NOT_LEADER, or when a node could not be reached: a hint, or none. */
  moved(topic: string, partition: number, leader: string | undefined): void {
    const route = this.#topics.get(topic)
    if (route !== undefined && partition < route.leaders.length) route.leaders[partition] = leader
  }

  forget(topic: string): void {
    this.#topics.delete(topic)
  }

  async #ask(topic: string): Promise<Route> {
    const answer = await this.#calls.call('Topics', 'DescribeTopic', { name: topic }, { mutating: false })
    const route = { leaders: leadersOf(answer) }
    this.#calls.learn(answer.partitions.map((p) => p.leaderGrpc))
    if (route.leaders.includes(undefined)) this.#calls.askAnother()
    this.#topics.delete(topic)
    this.#topics.set(topic, route)
    for (const oldest of this.#topics.keys()) {
      if (this.#topics.size <= TOPICS_MAX) break
      this.#topics.delete(oldest)
    }
    return route
  }
}

export interface Route {
  /** gRPC address of the leader by partition; undefined: not known now. */
  readonly leaders: (string | undefined)[]
}

function leadersOf(topic: Topic): (string | undefined)[] {
  const leaders: (string | undefined)[] = new Array(topic.partitions.length).fill(undefined)
  for (const partition of topic.partitions) {
    if (partition.leaderGrpc !== '') leaders[partition.id] = partition.leaderGrpc
  }
  return leaders
}
