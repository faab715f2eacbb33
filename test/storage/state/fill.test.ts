import { expect, test } from 'vitest'
import { fillLayer } from '../../../src/storage/state/fill.ts'
import { bytes, testEnv } from './fixture.ts'

test('rows made from memory give the event loop back between two steps', async () => {
  const env = testEnv(2)
  let turns = 0
  const counted = {
    ...env,
    endOfTurn: (run: () => void) => {
      turns++
      env.endOfTurn(run)
    },
  }
  const layer = await fillLayer(counted, {
    *write(to) {
      for (let i = 0; i < 100; i++) {
        to.put(`k${i}`, bytes('x'))
        yield
      }
    },
  })
  expect(layer.rows).toBe(100)
  // Each step is looked at, a look takes 2 ms, and a slice 5.
  expect(turns).toBeGreaterThan(25)
})
