/** `sandglass verify` and `sandglass inspect`: JSON on stdout; verify exits 1 when anything is damaged. */
import { inspectData, verifyData } from '../../node/examine.ts'

export async function runVerify(data: string): Promise<void> {
  const report = await verifyData(data)
  process.stdout.write(`${JSON.stringify(report)}\n`)
  if (!report.ok) process.exitCode = 1
}

export async function runInspect(data: string): Promise<void> {
  for await (const record of inspectData(data)) process.stdout.write(`${JSON.stringify(record)}\n`)
}
