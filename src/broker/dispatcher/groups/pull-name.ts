/**
 * The consumer name under which a Pull is attached: of the house, so that no user has it, and with the session in it, so
 * that no Pull replaces another. Every leader tells by it whose leases outlive their session's stream.
 */
const PREFIX = '__pull.'

export function pullConsumer(consumer: string, session: string): string {
  return `${PREFIX}${consumer}.${session}`
}

export function isPullConsumer(consumer: string): boolean {
  return consumer.startsWith(PREFIX)
}
