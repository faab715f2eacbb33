/** What `sandglass` makes of wrong flags: exit code 2, one line of JSON with the flag's name, and nothing started. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { inherited } from '../../chaos/harness/node-process.ts'
import { projectFolder } from '../../chaos/harness/project-folder.ts'

const SANDGLASS = join(projectFolder(import.meta.dirname), 'bin/sandglass')

test.each([
  ['nodes', ['dev', '--nodes', '1', '--nodes', '3']],
  ['nodes', ['dev', '--nodes', '2']],
  ['data', ['dev', '--data', '']],
  ['data', ['--no-data']],
  ['data', ['--data', 'a', '--data', 'b']],
  ['data', ['verify', '--data', 'a', '--data', 'b']],
  ['frames', ['inspect', '--data', 'a', '--frames=maybe']],
  ['grpc_port', ['--grpc_port.x', '1']],
  ['heartbeat_ms', ['--heartbeat_ms', 'NaN']],
  ['memory_max_bytes', ['--memory_max_bytes', '9007199254740992']],
])('%s: %j', (field, args) => {
  const ran = spawnSync(SANDGLASS, args, { encoding: 'utf8', timeout: 60_000, env: inherited() })
  const [line = '', ...more] = ran.stderr.trim().split('\n')
  const { error } = JSON.parse(line)
  expect({ status: ran.status, reason: error.reason, more }, ran.stderr).toEqual({
    status: 2,
    reason: 'INVALID',
    more: [],
  })
  expect(`${error.field} ${error.message}`).toContain(field)
})
