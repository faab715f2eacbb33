/** A data folder on a file system that is read-only, mounted where only the node sees it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventually } from '../../chaos/harness/deadline.ts'
import { NodeProcess } from '../../chaos/harness/node-process.ts'

const MOUNT = 'mount -t tmpfs none "$0" && mkdir "$0/there" && mount -o remount,ro "$0" && exec "$@"'

test.each(['there', 'new'])('a read-only data folder (%s) is refused with its reason', async (name) => {
  const folder = mkdtempSync(join(tmpdir(), 'sandglass-read-only-'))
  const data = join(folder, name)
  const node = new NodeProcess({
    name: 'n1',
    args: ['--data', data, '--grpc_port', '0', '--http_port', '0', '--raft_port', '0'],
    cwd: tmpdir(),
    wrapper: ['unshare', '-rm', 'sh', '-c', MOUNT, folder],
  })
  try {
    node.start()
    expect(await node.exited()).toEqual({ code: 1, signal: null })
    await eventually('the error on stderr', 5000, () => node.log() !== '')
    const message = `Cannot use data ${data}: the file system is read-only (EROFS)`
    const action = expect.stringContaining('remount')
    expect(JSON.parse(node.log())).toEqual({ error: { reason: 'DATA_UNUSABLE', message, field: 'data', action } })
  } finally {
    await node.kill()
    rmSync(folder, { recursive: true, force: true })
  }
})
