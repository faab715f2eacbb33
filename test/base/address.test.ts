import { describe, expect, test } from 'vitest'
import { isWildcard, joinHostPort, parseHost, parseHostPort } from '../../src/base/address.ts'

describe('a host', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['[::1]', '::1'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['node-1.example.com.', 'node-1.example.com.'],
    ['n_1', 'n_1'],
  ])('%s is %s', (text, host) => {
    expect(parseHost(text)).toBe(host)
  })

  test.each([
    '',
    ' ',
    'a b',
    'h:80',
    '::1:x',
    '[h]',
    '[127.0.0.1]',
    '[::1]:80',
    '1.2.3',
    '256.1.1.1',
    '-h',
    'h..x',
    '0',
  ])('is not %j', (text) => {
    expect(parseHost(text)).toBeUndefined()
  })
})

describe('host and port', () => {
  test.each([
    ['h:1', { host: 'h', port: 1 }],
    ['127.0.0.1:65535', { host: '127.0.0.1', port: 65_535 }],
    ['[::1]:7170', { host: '::1', port: 7170 }],
  ])('%s', (text, parsed) => {
    expect(parseHostPort(text)).toEqual(parsed)
    expect(joinHostPort(parsed.host, parsed.port)).toBe(text)
  })

  test.each([
    'h',
    'h:',
    ':80',
    'h:0',
    'h:65536',
    'h:-1',
    'h:1.5',
    'h:8o',
    '::1:80',
    '[::1]',
    '[h]:80',
    'a b:80',
    'h:80:90',
  ])('not of %j', (text) => {
    expect(parseHostPort(text)).toBeUndefined()
  })
})

test('a wildcard is one in every notation', () => {
  expect(['0.0.0.0', '::', '0:0:0:0:0:0:0:0', '::0'].filter((host) => !isWildcard(host))).toEqual([])
  expect(['127.0.0.1', '::1', 'localhost', 'n1'].filter(isWildcard)).toEqual([])
})
