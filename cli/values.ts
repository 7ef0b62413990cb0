/** Option values as users write them. */
import { existsSync, readFileSync } from 'node:fs';
import { Problem } from '../compiler/errors.js';

/** `640`, `480x640`, `480 640`, `480,640` → [height, width]. */
export function imageSize(text: string): readonly [number, number] {
  const sizes = /^\s*(\d{1,6})(?:\s*[x, ]\s*(\d{1,6}))?\s*$/.exec(text.replace(/^\[(.*)\]$/, '$1'));
  if (!sizes) throw new Problem('bad-imgsz', `--imgsz must be one number, or height and width, got '${text}'`, { help: 'Write --imgsz 640, --imgsz 480 640 or --imgsz 480x640.' });
  return [Number(sizes[1]), Number(sizes[2] ?? sizes[1])];
}

/** `1x64x20x20` → [1, 64, 20, 20]. */
export function inputShape(text: string): readonly [number, number, number, number] {
  const shape = text.split('x').map(Number);
  if (shape.length !== 4 || shape.some((size) => !Number.isInteger(size) || size < 1 || size > 65_536)) {
    throw new Problem('bad-option', `--input must be batch x channels x height x width, got '${text}'`, { help: 'Write --input 1x64x20x20.' });
  }
  return shape as unknown as readonly [number, number, number, number];
}

/** `person,car`, or a file: one name a line, or a data yaml with `names:`. */
export async function classNames(text: string): Promise<readonly string[]> {
  if (!existsSync(text)) return text.split(',').map((name) => name.trim());
  const content = readFileSync(text, 'utf8');
  if (!/\.ya?ml$/i.test(text)) return content.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '');
  const { load } = await import('js-yaml');
  const names = namesIn(load(content));
  if (!names) throw new Problem('bad-option', `${text} has no names: list or mapping`);
  return names;
}

function namesIn(document: unknown): readonly string[] | undefined {
  const names = typeof document === 'object' && document !== null && 'names' in document ? document.names : undefined;
  return typeof names === 'object' && names !== null ? Object.values(names).map(String) : undefined;
}

/** 12803712 → `12.8 MB`. */
export const fileSize = (bytes: number): string => (bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
