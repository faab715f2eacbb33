/** The public gRPC server of a node: the services, health, reflection, limits, and an orderly end. */
import { HealthImplementation } from 'grpc-health-check'
import { Budget } from '../base/budget.ts'
import { InTurns } from '../base/in-turns.ts'
import { NODE_OUTFLOW_BYTES_MAX, NODE_PASSING_BYTES_MAX, RECEIVE_BYTES_MAX, WRITES_PER_TURN } from '../base/limits.ts'
import { WITHOUT_CHANNELZ } from '../wire/channels.ts'
import { createErrorCodec } from '../wire/errors.ts'
import { createServerWire } from '../wire/wire.ts'
import type { ApiServer, ApiServerOptions } from './api-types.ts'
import { createBoundedServer } from './bounds/bounded-server.ts'
import { DEFAULT_BOUNDS } from './bounds/types.ts'
import { bytesDefinition, grpcService, statusOf } from './calls.ts'
import { clusterHandlers } from './cluster-service.ts'
import { Door } from './door.ts'
import { createNodeChannels } from './node-channels.ts'
import { queueHandlers } from './queue-service.ts'
import { addReflection } from './reflection.ts'
import type { ServiceContext, StreamBudgets } from './service-context.ts'
import { StreamRegistry } from './stream-registry.ts'
import { topicsHandlers } from './topics-service.ts'

const SERVER_OPTIONS = {
  ...WITHOUT_CHANNELZ,
  'grpc.max_receive_message_length': RECEIVE_BYTES_MAX,
  'grpc.max_send_message_length': -1,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
}

/** Not listening yet, not open, and NOT_SERVING. */
export function createApiServer(options: ApiServerOptions): ApiServer {
  const { env, starting = () => 'the node starts', onCall, onInternal, bounds = DEFAULT_BOUNDS } = options
  const wire = createServerWire()
  const channels = createNodeChannels(env)
  const errors = createErrorCodec(wire, onInternal)
  const streams = new StreamRegistry()
  const budgets: StreamBudgets = {
    outflow: new Budget(NODE_OUTFLOW_BYTES_MAX),
    passing: new Budget(NODE_PASSING_BYTES_MAX),
    writes: new InTurns(env, WRITES_PER_TURN, (outflow) => outflow.turn()),
  }
  const bounded = createBoundedServer({
    env,
    bounds,
    statusOf: (error) => statusOf(errors, error),
    server: SERVER_OPTIONS,
  })
  const { server } = bounded
  const door = new Door(errors, starting)
  for (const service of ['Topics', 'Queue', 'Cluster'] as const) {
    server.addService(bytesDefinition(service), door.before(service))
  }
  const health = new HealthImplementation({ '': 'NOT_SERVING' })
  health.addToServer(server)
  addReflection(server)
  return {
    listen: (address) => bounded.listen(address),
    open: ({ broker, directory, damage = () => [] }) => {
      const context: ServiceContext = { env, broker, directory, damage, wire, channels, errors, budgets }
      door.open({
        Topics: grpcService('Topics', topicsHandlers(context), context, onCall),
        Queue: grpcService('Queue', queueHandlers(context, streams), context, onCall),
        Cluster: grpcService('Cluster', clusterHandlers(context), context, onCall),
      })
      directory.onChange(() => channels.keepTo((node) => directory.node(node)?.alive ?? false))
      // With the streams ends what waits for a leader, so that its caller asks another node while there is time.
      streams.add({ end: () => broker.router.close() })
    },
    stats: () => bounded.stats(),
    setServing: (serving) => health.setStatus('', serving ? 'SERVING' : 'NOT_SERVING'),
    async drain(deadlineMs) {
      health.setStatus('', 'NOT_SERVING')
      bounded.stop()
      streams.drain()
      await new Promise<void>((resolve) => {
        const timer = env.after(deadlineMs, resolve)
        server.tryShutdown(() => {
          timer.cancel()
          resolve()
        })
      })
    },
    close() {
      channels.close()
      bounded.close()
    },
  }
}
