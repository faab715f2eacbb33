/** The bookkeeper as a program: reads the three files in the given folder and nothing else; exit 1 if the books are not ok. */
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { keepBooks } from './keep-books.ts'
import { FILES, type Line } from './records.ts'

async function read(file: string): Promise<Line[]> {
  const lines: Line[] = []
  for await (const text of createInterface({ input: createReadStream(file) })) lines.push(parse(file, text))
  return lines
}

function parse(file: string, text: string): Line {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || !('type' in value))
    throw new Error(`${file}: not a record: ${text}`)
  return value as Line
}

const folder = process.argv[2]
if (folder === undefined) {
  process.stderr.write('usage: node dist/demo/books.js FOLDER\n')
  process.exit(2)
}
const lines = await Promise.all(Object.values(FILES).map((name) => read(join(folder, name))))
const books = keepBooks(lines.flat())
process.stdout.write(`${JSON.stringify(books)}\n`)
process.exitCode = books.ok ? 0 : 1
