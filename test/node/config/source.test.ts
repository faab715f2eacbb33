import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/node/config/load.ts'
import { readSource } from '../../../src/node/config/source.ts'

const LIMIT = 64 * 1024
let folder = ''
let server: Server | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandglass-source-'))
})
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
  server = undefined
  rmSync(folder, { recursive: true, force: true })
})

async function serving(answer: RequestListener): Promise<string> {
  server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/n.yaml`
}

describe('a file', () => {
  test('is read to the limit, and refused beyond it, however long it is', async () => {
    const path = join(folder, 'n.yaml')
    writeFileSync(path, 'a'.repeat(LIMIT))
    expect(await readSource(path)).toHaveLength(LIMIT)
    truncateSync(path, 100 * 2 ** 30)
    await expect(readSource(path)).rejects.toThrow(`longer than ${LIMIT} bytes`)
  })

  test('is neither a folder, nor a device, nor bytes that are no text', async () => {
    await expect(readSource(folder)).rejects.toThrow('it is a folder')
    await expect(readSource('/dev/zero')).rejects.toThrow('neither a file nor a pipe')
    writeFileSync(join(folder, 'bytes'), Buffer.from([0xff, 0xfe, 0x00]))
    await expect(readSource(join(folder, 'bytes'))).rejects.toThrow('not valid')
  })
})

describe('a pipe', () => {
  const pipe = (): string => {
    const path = join(folder, 'pipe')
    execFileSync('mkfifo', [path])
    return path
  }
  /** Holds the writing end, says that it does, and writes. */
  const writer = async (path: string, script: string) => {
    const child = spawn('sh', ['-c', `exec 3<>"$0"; echo there; ${script}`, path], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    return child
  }

  test('that nobody writes to is refused in time', async () => {
    await expect(readSource(pipe(), 50)).rejects.toThrow('nobody writes to it within 50 ms')
  })

  test('gives what is written to it', async () => {
    const path = pipe()
    const reading = readSource(path)
    // Opens once there is a reader.
    spawn('sh', ['-c', 'echo "name: piped" > "$0"', path], { stdio: 'inherit' })
    expect(await reading).toBe('name: piped\n')
  })

  test('whose writer never ends, or writes for ever, is refused', async () => {
    const path = pipe()
    const silent = await writer(path, 'read _')
    await expect(readSource(path, 50)).rejects.toThrow('within 50 ms')
    silent.kill()
    const endless = await writer(path, 'exec cat /dev/zero >&3')
    await expect(readSource(path)).rejects.toThrow('longer than')
    endless.kill()
  })
})

describe('a URL', () => {
  test('that does not answer, or never ends its answer, is given up in time', async () => {
    await expect(readSource(await serving(() => undefined), 50)).rejects.toThrow('no whole answer within 50 ms')
    server?.closeAllConnections()
    server?.close()
    const begun = await serving((_, response) => void response.write('name: n1\n'))
    await expect(readSource(begun, 50)).rejects.toThrow('no whole answer within 50 ms')
  })

  test('that answers without end, in few bytes that become many, or elsewhere, is refused', async () => {
    const endless = await serving((_, response) => {
      const more = () => response.write('a'.repeat(LIMIT), more)
      more()
    })
    await expect(readSource(endless)).rejects.toThrow('longer than')
    server?.close()
    const packed = gzipSync(Buffer.alloc(64 * 1024 * 1024))
    const bomb = await serving((_, response) => response.setHeader('content-encoding', 'gzip').end(packed))
    await expect(readSource(bomb)).rejects.toThrow('longer than')
    server?.close()
    const elsewhere = await serving((_, response) => response.writeHead(302, { location: '/other' }).end())
    await expect(readSource(elsewhere)).rejects.toThrow('redirect')
  })

  test('says why it cannot be read, and neither query nor password', async () => {
    const given = (file: string) => loadConfig({ file, flags: {}, environment: {} }).catch((error: unknown) => error)
    const url = await serving(() => undefined)
    server?.close()
    const refused = await given(`${url}?token=secret`)
    expect(refused).toMatchObject({
      field: 'config',
      message: expect.stringContaining(`Cannot read configuration ${url}: `),
    })
    expect(String(refused)).toContain('ECONNREFUSED')
    for (const secret of ['http://user:secret@127.0.0.1:1/', 'http://127.0.0.1:1/?token=secret']) {
      expect(String(await given(secret))).not.toContain('secret')
    }
  })
})
