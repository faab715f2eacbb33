/** What every gRPC channel of this house has in common, whoever opens it: it goes where the address says, and nowhere else. */

/** Channels and servers alike: nobody asks for what the library would count and date of every message. */
export const WITHOUT_CHANNELZ = { 'grpc.enable_channelz': 0 } as const

/**
 * Straight to the node: a proxy that the environment names (http_proxy, grpc_proxy) is for other traffic, and no TXT record
 * of the domain name system changes how the channel behaves.
 */
export const DIRECT = {
  ...WITHOUT_CHANNELZ,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
} as const

/** `host:port` as a target: without the scheme, a host that is called as one (`dns`, `unix`, `ipv4`) would be taken for it. */
export function targetOf(address: string): string {
  return `dns:${address}`
}
