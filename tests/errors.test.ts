import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { compiled } from './front-end.js';

const folder = 'fixtures/errors';
const files = readdirSync(folder).sort();

describe('fixtures/errors', () => {
  test('every yaml has its text and every text its yaml', () => {
    const other = (file: string): string => (file.endsWith('.yaml') ? file.replace(/yaml$/, 'txt') : file.replace(/txt$/, 'yaml'));
    expect(files.filter((file) => !existsSync(`${folder}/${other(file)}`))).toEqual([]);
  });

  test.each(files.filter((file) => file.endsWith('.yaml')))('%s', async (file) => {
    const expected = readFileSync(`${folder}/${file.replace(/yaml$/, 'txt')}`, 'utf8');
    expect(await compiled(`${folder}/${file}`)).toBe(expected);
  });
});
