/** The zips that PyTorch and other packers write, and those that are damaged or lie. */
import { describe, expect, test } from '@jest/globals';
import { Problem } from '../compiler/errors.js';
import type { ByteSource } from '../compiler/io.js';
import { openZip } from '../compiler/node/zip.js';
import { memorySource, problemOfAsync } from './made-files.js';
import { zipOf, type MadeEntry, type MadeZip } from './made-zip.js';

const content = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + 3) & 255);
const [first, second] = [content(1000), content(70_000)];
/** The entry of the tests, and one behind it. */
const pair = (entry: Partial<MadeEntry> = {}): MadeEntry[] => [{ name: 'a/first', bytes: first, ...entry }, { name: 'a/second', bytes: second }];

const open = (entries: readonly MadeEntry[], options: MadeZip = {}): ReturnType<typeof openZip> => openZip(memorySource(zipOf(entries, options), 'made.pt'));

function read(source: ByteSource, at = 0, length = source.size - at): Uint8Array {
  const bytes = new Uint8Array(length);
  source.read(bytes, at);
  return bytes;
}

/** Opens the zip and reads the entry in order. */
async function readFirst(bytes: Uint8Array): Promise<Uint8Array> {
  return read((await openZip(memorySource(bytes, 'made.pt'))).get('a/first')!);
}

describe('what is read', () => {
  test.each<[string, Partial<MadeEntry>, MadeZip]>([
    ['stored', {}, {}],
    ['padded, as PyTorch aligns storages', { padding: 63 }, {}],
    ['sizes behind the data, as PyTorch writes', { streamed: true, padding: 5 }, {}],
    ['deflated', { deflated: true }, {}],
    ['deflated while streaming', { deflated: true, streamed: true }, {}],
    ['64-bit fields in the directory', { wide: true }, {}],
    ['64-bit fields all through', { wide: true, streamed: true, deflated: true }, { wide: true }],
    ['a comment behind the directory', {}, { comment: 'packed by hand' }],
    ['a local header of other sizes: the directory counts', { local: { packed: 5, size: 7, crc: 1, method: 8 } }, {}],
    ['an empty entry', { bytes: new Uint8Array(0) }, {}],
    ['an empty entry, deflated', { bytes: new Uint8Array(0), deflated: true }, {}],
  ])('%s', async (_, entry, options) => {
    const archive = await open(pair(entry), options);
    expect([...archive.keys()]).toEqual(['a/first', 'a/second']);
    const source = archive.get('a/first')!;
    expect(Buffer.compare(read(source), entry.bytes ?? first)).toBe(0);
    expect(Buffer.compare(read(archive.get('a/second')!), second)).toBe(0);
    expect(source.size).toBe((entry.bytes ?? first).length);
    // Again, from the middle, after another was unpacked.
    const middle = Math.min(7, source.size);
    expect(Buffer.compare(read(source, middle), (entry.bytes ?? first).subarray(middle))).toBe(0);
  });

  test('folders are no entries', async () => {
    expect([...(await open([{ name: 'a/', bytes: new Uint8Array(0) }, ...pair()])).keys()]).toEqual(['a/first', 'a/second']);
  });

  test('an empty zip has no entries', async () => {
    expect((await open([])).size).toBe(0);
  });
});

describe('checksums', () => {
  const flipped = (entry: Partial<MadeEntry> = {}): Uint8Array => {
    const bytes = zipOf(pair(entry));
    bytes[200]! ^= 1;
    return bytes;
  };
  const fault = /^made\.pt is a damaged zip file: "a\/first" does not have the checksum that the zip’s directory gives$/;

  test('one wrong bit is found when the entry is read in order, at its end', async () => {
    const source = (await openZip(memorySource(flipped(), 'made.pt'))).get('a/first')!;
    expect(read(source, 0, 600).length).toBe(600);
    expect(() => read(source, 600, 400)).toThrow(fault);
  });

  test('and when it is read out of order, at once', async () => {
    const source = (await openZip(memorySource(flipped(), 'made.pt'))).get('a/first')!;
    expect(() => read(source, 600, 1)).toThrow(fault);
    expect(() => read(source, 600, 1)).toThrow(fault);
  });

  test('in order and out of order, a good entry passes', async () => {
    const source = (await open(pair())).get('a/first')!;
    for (const [at, length] of [[0, 10], [10, 5], [900, 100], [0, 1000], [3, 4]] as const) expect(Buffer.compare(read(source, at, length), first.subarray(at, at + length))).toBe(0);
  });

  const small = (crc: number | undefined): MadeEntry[] => ['version', 'byteorder', '.format_version'].map((name) => ({ name: `a/${name}`, bytes: Buffer.from(name), ...(crc === undefined ? {} : { central: { crc } }) }));

  test('a file whose checksums were not computed is read', async () => {
    const archive = await open([...small(0), { name: 'a/first', bytes: first, central: { crc: 0 } }]);
    expect(Buffer.compare(read(archive.get('a/first')!, 3), first.subarray(3))).toBe(0);
  });

  test('a checksum of 0 among right ones is a wrong one', async () => {
    const archive = await open([...small(undefined), { name: 'a/first', bytes: first, central: { crc: 0 } }]);
    expect(() => read(archive.get('a/first')!)).toThrow(fault);
  });
});

describe('refusals', () => {
  const refused = (bytes: Uint8Array): Promise<Problem> => problemOfAsync(readFirst(bytes));
  const whole = zipOf(pair());
  const bomb = (length: number): MadeEntry => ({ name: 'a/first', bytes: new Uint8Array(length), deflated: true });

  test.each<[string, Uint8Array, RegExp]>([
    ['a zip without its end', whole.subarray(0, -30), /^made\.pt is a damaged zip file: /],
    ['a zip without its beginning', whole.subarray(50), /^made\.pt is a damaged zip file: /],
    ['a directory that is cut off in the middle', Buffer.concat([whole.subarray(0, -60), whole.subarray(-22)]), /^made\.pt is a damaged zip file: /],
    ['a header that is not there', zipOf(pair({ central: { offset: 3 } })), /"a\/first" is not where the directory says$/],
    ['an entry beyond the file', zipOf([{ name: 'a/first', bytes: first, central: { offset: 90_000 } }]), /"a\/first" lies outside the file$/],
    ['an entry that ends beyond the file', zipOf([{ name: 'a/first', bytes: first, central: { packed: 5000, size: 5000 } }]), /"a\/first" lies outside the file$/],
    ['a stored entry of two sizes', zipOf(pair({ central: { size: 999 } })), /^made\.pt is a damaged zip file: /],
    ['another name where it lies', zipOf(pair({ local: { name: 'a/fiRst' } })), /"a\/first" has another name where it lies$/],
    ['a name of another length where it lies', zipOf(pair({ local: { name: 'a/firs' } })), /"a\/first" is not where the directory says$/],
    ['two entries of one name', zipOf([...pair(), { name: 'a/first', bytes: second }]), /it has two entries "a\/first"$/],
    ['entries that share their bytes', zipOf([{ name: 'a/first', bytes: first }, { name: 'a/second', bytes: first, central: { offset: 0 } }]), /its entries overlap$/],
    ['an entry inside another', zipOf([{ name: 'a/first', bytes: zipOf(pair()) }, { name: 'a/second', bytes: first, central: { offset: 37 } }]), /its entries overlap$/],
    ['a name that leads out', zipOf([...pair(), { name: '../a/first', bytes: first }]), /^made\.pt is a damaged zip file: /],
    ['a name that leads out later', zipOf([...pair(), { name: 'a/../../first', bytes: first }]), /^made\.pt is a damaged zip file: /],
    ['a name from the root', zipOf([...pair(), { name: '/etc/passwd', bytes: first }]), /^made\.pt is a damaged zip file: /],
    ['a name with a backslash', zipOf([...pair(), { name: 'a\\first', bytes: first }]), /^made\.pt is a damaged zip file: /],
    ['a name with control characters', zipOf([...pair(), { name: 'a/\x1b[2J', bytes: first }]), /^made\.pt is a damaged zip file: an entry has a name with control characters$/],
    ['a directory that is longer than it says', Buffer.concat([whole.subarray(0, -22), Buffer.alloc(46), whole.subarray(-22)]), /^made\.pt is a damaged zip file: /],
    ['an encrypted entry', zipOf(pair({ central: { flags: 1, method: 8 } })), /packed or encrypted in a way that is not read$|^made\.pt is a damaged zip file: /],
    ['an entry packed in another way', zipOf(pair({ central: { method: 12 } })), /"a\/first" is packed or encrypted in a way that is not read$/],
    ['more than is unpacked', zipOf([bomb(49 * 2 ** 20)]), /"a\/first" is compressed and 51380224 bytes long; at most 50331648 are unpacked$/],
    ['more than it says', zipOf([{ ...bomb(2 ** 20), central: { size: 100 } }]), /"a\/first" cannot be unpacked$/],
    ['less than it says', zipOf([{ ...bomb(100), central: { size: 2 ** 20 } }]), /"a\/first" is not as long as the directory says$/],
    ['what cannot be unpacked', zipOf(pair({ central: { method: 8 } })), /"a\/first" cannot be unpacked$/],
    ['more entries than the file has room for', Buffer.concat([whole.subarray(0, -14), Buffer.from([0xff, 0x7f, 0xff, 0x7f]), whole.subarray(-10)]), /^made\.pt is a damaged zip file: /],
  ])('%s', async (_, bytes, message) => {
    const problem = await refused(bytes);
    expect(problem.code).toBe('bad-weights');
    expect(problem.message).toMatch(message);
    expect(problem.message).not.toMatch(/undefined|NaN/);
    expect(problem.help).toBe('Download or copy the file again.');
  });

  test('a read beyond an entry’s end', async () => {
    const source = (await open(pair())).get('a/first')!;
    expect(() => read(source, 990, 11)).toThrow(Problem);
    expect(() => read(source, 990, 11)).toThrow(/"a\/first" is read beyond its end$/);
  });
});
