/**
 * The HTTP/2 stream under a call. grpc-js has no public way to it, and without it there is no telling how much of a message
 * is there or when a stream is really gone. This is the only place that reaches behind the library; its test fails when a
 * version keeps the stream elsewhere.
 */
import type { ServerHttp2Stream } from 'node:http2'
import { Duplex } from 'node:stream'
import type { ServerInterceptingCallInterface } from '@grpc/grpc-js'
import { assert } from '../../base/assert.ts'

export function http2Stream(call: ServerInterceptingCallInterface): ServerHttp2Stream {
  const stream: unknown = Reflect.get(call, 'stream')
  assert(isHttp2(stream), 'grpc-js keeps the HTTP/2 stream of a call by this name')
  return stream
}

function isHttp2(stream: unknown): stream is ServerHttp2Stream {
  return stream instanceof Duplex && 'session' in stream && 'rstCode' in stream
}
