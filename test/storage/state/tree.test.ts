import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Tree } from '../../../src/storage/state/tree.ts'

const RANGE = { gte: '', lt: '\uffff' }

function keysOf(tree: Tree, reverse: boolean, range = RANGE): string[] {
  const keys: string[] = []
  for (const cursor = tree.cursor(range, reverse); cursor.key !== undefined; cursor.advance()) keys.push(cursor.key)
  return keys
}

function name(number: number): string {
  return String(number).padStart(7, '0')
}

test('a tree of many keys put in any order holds them in order, and loses those that are removed', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3000), fc.boolean()), { maxLength: 8000, size: 'max' }), (steps) => {
      const tree = new Tree()
      const model = new Map<string, Uint8Array>()
      for (const [number, remove] of steps) {
        const key = name(number)
        const found = tree.seek(key)
        expect(found).toBe(model.has(key))
        if (found && remove) {
          tree.remove()
          model.delete(key)
        } else {
          const value = new Uint8Array([number & 255])
          if (found) tree.replace(value, false)
          else tree.insert(key, value, false)
          model.set(key, value)
        }
      }
      const sorted = [...model.keys()].sort()
      expect(tree.size).toBe(model.size)
      expect(keysOf(tree, false)).toEqual(sorted)
      expect(keysOf(tree, true)).toEqual([...sorted].reverse())
      for (const key of sorted) expect(tree.get(key)).toBe(model.get(key))
      const range = { gte: name(500), lt: name(1500) }
      expect(keysOf(tree, false, range)).toEqual(sorted.filter((key) => key >= range.gte && key < range.lt))
    }),
    { numRuns: 15 },
  )
})

test.each(['up', 'down'])(
  'a queue of a hundred thousand keys going %s is put and emptied from either end',
  (direction) => {
    const tree = new Tree()
    const count = 100_000
    const order = (i: number) => name(direction === 'up' ? i : count - i)
    for (let i = 0; i < count; i++) {
      if (tree.seek(order(i))) throw new Error(`${order(i)} is there already`)
      tree.insert(order(i), null, false)
    }
    expect(keysOf(tree, false).length).toBe(count)
    for (let i = 0; i < count; i++) {
      if (!tree.seek(order(i))) throw new Error(`${order(i)} is lost`)
      tree.remove()
    }
    expect(tree.size).toBe(0)
    expect(keysOf(tree, false)).toEqual([])
    tree.seek('a')
    tree.insert('a', null, false)
    expect(keysOf(tree, true)).toEqual(['a'])
  },
)
