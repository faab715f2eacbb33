/** What this node does when it leads the catalog: proposes commands, its own and forwarded ones, and gives read points. */
import { invalid } from '../../base/errors.ts'
import type { NodeId } from '../../base/ids.ts'
import type { ControlProposeOutcome, ControlReadOutcome } from '../../rpc/control/types.ts'
import { decodeCommand, encodeReply, isCommand } from '../../views/catalog/command-codec.ts'
import { UnknownCommandError } from '../../views/view.ts'
import type { CatalogHandle } from './catalog-handle.ts'

/** A node forwards what its clients ask for, and registers itself alone. Throws INVALID with the field. */
export function checkProposer(from: NodeId, bytes: Uint8Array): void {
  // What cannot be read is refused by its reason, as if it had been asked for here.
  if (!isCommand(bytes)) return
  const command = decodeCommand(bytes)
  if (command.type === 'registerNode' && command.node.id !== from) {
    throw invalid('node.id', `Cannot register node ${command.node.id}: node ${from} asks for it`)
  }
}

export class CatalogLeader {
  readonly #catalog: CatalogHandle

  constructor(catalog: CatalogHandle) {
    this.#catalog = catalog
  }

  /** Whether this node may propose now. */
  get ready(): boolean {
    const { role, ready } = this.#catalog.status()
    return role === 'leader' && ready
  }

  /** Never rejects for what a peer sent: bytes that no build wrote are refused before they reach the log. */
  propose(command: Uint8Array): Promise<ControlProposeOutcome> {
    const wrong = complaint(command)
    if (wrong !== undefined) {
      const reply = encodeReply({ type: 'refused', reason: 'UNSUPPORTED', message: wrong, field: '' })
      return Promise.resolve({ type: 'applied', index: 0, reply })
    }
    if (!this.ready) return Promise.resolve(this.#refused())
    // Time never goes back in a log, whatever the wall clock of a new leader says.
    const at = Math.max(this.#catalog.wallMs(), this.#catalog.status().lastAt)
    return new Promise((resolve) => {
      this.#catalog.propose({
        at,
        commands: [command],
        done: (outcome) => {
          if (outcome.type === 'unknown') resolve({ type: 'unknown' })
          else if (outcome.type === 'refused') resolve(this.#refused())
          else {
            const reply = outcome.replies[0]
            resolve(
              reply === undefined ? { type: 'unknown' } : { ...applied(outcome.index), reply: encodeReply(reply) },
            )
          }
        },
      })
    })
  }

  readIndex(): Promise<ControlReadOutcome> {
    if (!this.ready) return Promise.resolve(this.#refused())
    return new Promise((resolve) => {
      this.#catalog.read((outcome) => {
        if (outcome.type === 'ok') resolve({ type: 'ok', index: this.#catalog.status().applied })
        else resolve(this.#refused())
      })
    })
  }

  #refused(): { readonly type: 'refused'; readonly leader: NodeId } {
    return { type: 'refused', leader: this.#catalog.status().leaderNode }
  }
}

function applied(index: number): { readonly type: 'applied'; readonly index: number } {
  return { type: 'applied', index }
}

function complaint(command: Uint8Array): string | undefined {
  try {
    decodeCommand(command)
    return undefined
  } catch (error) {
    const what = error instanceof UnknownCommandError ? error.message : 'it is damaged'
    return `Cannot change the catalog: ${what}`
  }
}
