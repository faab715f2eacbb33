/** Network addresses as text: hosts, `host:port` and `[IPv6]:port`, and what grpc-js takes as a target. */
import { BlockList, isIP, isIPv6 } from 'node:net'

export interface HostPort {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string
  /** 1 to 65535. */
  readonly port: number
}

const PORT_MAX = 65_535
/** Labels of letters, digits, `-` and `_`; a dot at the end is the root's. */
const NAME = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/

/** A name, an IPv4 or an IPv6 address, brackets taken off; undefined: neither (a port behind it, a space, a number out of range). */
export function parseHost(text: string): string | undefined {
  const inner = /^\[(.+)\]$/.exec(text)?.[1]
  if (inner !== undefined) return isIPv6(inner) ? inner : undefined
  if (isIP(text) !== 0) return text
  // What consists of numbers alone would be read as an IPv4 address of another notation.
  return NAME.test(text) && !/^[\d.]+$/.test(text) ? text : undefined
}

/** `host:port`; an IPv6 address in brackets. undefined: it is not that. */
export function parseHostPort(text: string): HostPort | undefined {
  const [, written = '', digits = ''] = /^(\[[^\]]+\]|[^:\s]+):(\d{1,5})$/.exec(text) ?? []
  const host = parseHost(written)
  const port = Number(digits)
  return host !== undefined && port >= 1 && port <= PORT_MAX ? { host, port } : undefined
}

export function joinHostPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
}

/** All addresses of the machine: good for listening, no address of anybody. */
export function isWildcard(host: string): boolean {
  return isIP(host) !== 0 && WILDCARDS.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}

const WILDCARDS = new BlockList()
WILDCARDS.addAddress('0.0.0.0', 'ipv4')
WILDCARDS.addAddress('::', 'ipv6')
