// `node bin/dev/typescript.mjs FILE ARGUMENTS...`: runs a TypeScript program on Node 20, which cannot read it: a loader
// hook strips the types of each file on the way in.
import { readFile } from 'node:fs/promises'
import { register } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import typescript from 'typescript'

export async function load(url, context, nextLoad) {
  if (!url.endsWith('.ts')) return nextLoad(url, context)
  const { outputText } = typescript.transpileModule(await readFile(fileURLToPath(url), 'utf8'), {
    compilerOptions: { module: typescript.ModuleKind.ESNext, target: typescript.ScriptTarget.ES2023 },
  })
  return { format: 'module', source: outputText, shortCircuit: true }
}

// The hook runs in a thread of its own, which loads this file once more.
if (isMainThread) {
  register(import.meta.url)
  const [program] = process.argv.splice(2, 1)
  await import(pathToFileURL(program).href)
}
