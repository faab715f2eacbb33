// Writes src/wire/messages.ts: the TypeScript shape of every public message, and the table of services, from proto/.
// Messages that hold a Body, directly or not, are generic in it: a client reads bodies, a server passes their bytes on.
// A test compares its result with the committed file.
import { writeFileSync } from 'node:fs'
import protobuf from 'protobufjs'

const FILES = [
  'sandglass/v1/topics',
  'sandglass/v1/queue',
  'sandglass/v1/cluster',
  'google/rpc/status',
  'google/rpc/error_details',
]
const RENAMED = {
  '.sandglass.v1.Error': 'ErrorMessage',
  '.google.rpc.Status': 'RpcStatus',
  '.google.rpc.ErrorInfo': 'RpcErrorInfo',
}
const NUMBERS = new Set(['uint32', 'uint64', 'int32', 'int64', 'sint32', 'sint64', 'double', 'float'])

const root = new protobuf.Root()
root.resolvePath = (_, target) =>
  target.startsWith('google/protobuf/') ? target : target.replace(/^(?!proto\/)/, 'proto/')
const paths = FILES.map((f) => `proto/${f}.proto`)
root.loadSync(paths, { alternateCommentMode: true })
root.resolveAll()

const types = []
const enums = []
const services = []
walk(root)
const generic = genericTypes()
if (process.argv[1]?.endsWith('proto-types.mjs')) writeFileSync('src/wire/messages.ts', protoTypes())

function walk(namespace) {
  for (const item of namespace.nestedArray) {
    if (item instanceof protobuf.Type) types.push(item)
    else if (item instanceof protobuf.Enum) enums.push(item)
    else if (item instanceof protobuf.Service) services.push(item)
    if (item instanceof protobuf.Namespace) walk(item)
  }
}

/** Types from which a Body can be reached. */
function genericTypes() {
  const found = new Set()
  let before
  do {
    before = found.size
    for (const type of types) {
      if (type.fieldsArray.some((f) => f.resolvedType?.name === 'Body' || found.has(f.resolvedType))) found.add(type)
    }
  } while (found.size > before)
  return found
}

function nameOf(type) {
  return RENAMED[type.fullName] ?? type.name
}

function reference(type) {
  if (type.name === 'Body') return 'B'
  return generic.has(type) ? `${nameOf(type)}<B>` : nameOf(type)
}

function scalar(field) {
  if (field.resolvedType) return reference(field.resolvedType)
  if (field.type === 'bytes') return 'Uint8Array'
  if (field.type === 'bool') return 'boolean'
  if (field.type === 'string') return 'string'
  if (NUMBERS.has(field.type)) return 'number'
  throw new Error(`no TypeScript type for ${field.fullName}: ${field.type}`)
}

function fieldType(field) {
  const one = scalar(field)
  if (field.map) return `Readonly<Record<string, ${one}>>`
  if (field.repeated) return `readonly ${one}[]`
  return field.partOf || field.resolvedType instanceof protobuf.Type ? `${one} | null` : one
}

function comment(text, indent) {
  return text ? `${indent}/** ${text.replaceAll('\n', ' ')} */\n` : ''
}

function renderType(type) {
  const open = generic.has(type) ? `${nameOf(type)}<B = Body>` : nameOf(type)
  const fields = type.fieldsArray.map((f) => `${comment(f.comment, '  ')}  readonly ${f.name}: ${fieldType(f)}\n`)
  const body =
    fields.length === 0
      ? `export type ${open} = Readonly<Record<never, never>>\n`
      : `export interface ${open} {\n${fields.join('')}}\n`
  return comment(type.comment, '') + body
}

function renderEnum(type) {
  const prefix = `${type.name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()}_`
  const rows = Object.entries(type.values).map(
    ([name, value]) => `${comment(type.comments[name], '  ')}  ${name.replace(prefix, '')}: ${value},\n`,
  )
  return `export const ${type.name} = {\n${rows.join('')}} as const\nexport type ${type.name} = number\n`
}

function renderService(service) {
  const methods = service.methodsArray.map((m) => {
    const path = `/${service.fullName.slice(1)}/${m.name}`
    const parts = [
      `path: '${path}'`,
      `request: '${nameOf(m.resolvedRequestType)}'`,
      `response: '${nameOf(m.resolvedResponseType)}'`,
      `requestStream: ${m.requestStream === true}`,
      `responseStream: ${m.responseStream === true}`,
    ]
    return `    ${m.name}: {\n${parts.map((p) => `      ${p},\n`).join('')}    },\n`
  })
  return `  ${service.name}: {\n${methods.join('')}  },\n`
}

/** The whole text of src/wire/messages.ts. */
export function protoTypes() {
  const head = `// Generated from proto/ by bin/dev/proto-types.mjs; do not edit. A decoded message has every field: scalars their proto3
// default, absent messages and unset members of a oneof null. \`B\` is the type of a Body: decoded, or bytes on a server.
`
  const names = types.map((t) => `  ${nameOf(t)}: ${t.name === 'Body' ? 'B' : reference(t)}\n`)
  const full = types.map((t) => `  ${nameOf(t)}: '${t.fullName.slice(1)}',\n`)
  return [
    head,
    ...enums.map(renderEnum),
    ...types.map(renderType),
    `/** Every message by its name here. */\nexport interface Messages<B = Body> {\n${names.join('')}}\n`,
    `/** Names here to full names in proto/. */\nexport const FULL_NAMES = {\n${full.join('')}} as const satisfies Record<keyof Messages, string>\n`,
    `/** Every service and method. */\nexport const SERVICES = {\n${services.map(renderService).join('')}} as const\n`,
  ].join('\n')
}
