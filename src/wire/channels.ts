/** What every gRPC channel of this house has in common, whoever opens it: it goes where the address says, and nowhere else. */

/**
 * Straight to the node: a proxy that the environment names (http_proxy, grpc_proxy) is for other traffic, and no TXT record
 * of the domain name system changes how the channel behaves.
 */
export const DIRECT = {
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
} as const

/** `host:port` as a target: without the scheme, a host that is called as one (`dns`, `unix`, `ipv4`) would be taken for it. */
export function targetOf(address: string): string {
  return `dns:${address}`
}
