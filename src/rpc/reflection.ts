/** Server reflection over the public protos, for grpcurl and its like. */
import { join } from 'node:path'
import type { Server } from '@grpc/grpc-js'
import { ReflectionService } from '@grpc/reflection'
import protobuf from 'protobufjs'
import descriptor from 'protobufjs/ext/descriptor/index.js'
import { protoFolder } from '../wire/wire.ts'

const FILES = ['topics', 'queue', 'cluster'].map((name) => join('sandglass', 'v1', `${name}.proto`))

export function addReflection(server: Server): void {
  const folder = protoFolder()
  const root = new protobuf.Root()
  root.resolvePath = (_origin, target) => join(folder, target)
  root.loadSync(FILES)
  root.resolveAll()
  const files = describe(root).map((file) => Buffer.from(descriptor.FileDescriptorProto.encode(file).finish()))
  // The library reads only the descriptors of a package's entries, of whatever kind.
  const entry = { format: 'Protocol Buffer 3 EnumDescriptorProto', type: {}, fileDescriptorProtos: files } as const
  const definition: ConstructorParameters<typeof ReflectionService>[0] = { 'sandglass.v1': entry }
  new ReflectionService(definition).addToServer(server)
}

function describe(root: protobuf.Root) {
  return root.toDescriptor('proto3').file
}
