import { expect, test } from 'vitest'
import { realEnv } from '../../src/base/real-env.ts'

test.each([
  ['the end of a turn', (env: ReturnType<typeof realEnv>, run: () => void) => env.endOfTurn(run)],
  ['a timer', (env: ReturnType<typeof realEnv>, run: () => void) => void env.after(1, run)],
])('what %s throws goes the one way that is given for it', async (_what, arrange) => {
  const thrown = await new Promise((resolve) => {
    arrange(realEnv(resolve), () => {
      throw new Error('on purpose')
    })
  })
  expect(thrown).toMatchObject({ message: 'on purpose' })
})
