/** Option values as users write them. */
import { existsSync } from 'node:fs';
import { Problem } from '../compiler/errors.js';

/** `640`, `480x640`, `480 640`, `480,640` → [height, width]. */
export function imageSize(text: string): readonly [number, number] {
  const sizes = /^\s*(\d{1,6})(?:\s*[x, ]\s*(\d{1,6}))?\s*$/.exec(text.replace(/^\[(.*)\]$/, '$1'));
  if (!sizes) throw new Problem('bad-imgsz', `--imgsz must be one number, or height and width, got '${text}'`, { help: 'Write --imgsz 640, --imgsz 480 640 or --imgsz 480x640.' });
  return [Number(sizes[1]), Number(sizes[2] ?? sizes[1])];
}

/** `1x64x20x20` → [1, 64, 20, 20]. */
export function inputShape(text: string): readonly number[] {
  const shape = text.split('x').map(Number);
  // Operators have inputs of any rank; the compiler tells which rank a module reads.
  if (shape.length < 2 || shape.length > 8 || shape.some((size) => !Number.isInteger(size) || size < 1 || size > 65_536)) {
    throw new Problem('bad-option', `--input must be batch x channels x height x width, sizes from 1 to 65536, got '${text}'`, { help: 'Write --input 1x64x20x20.' });
  }
  return shape;
}

/** `person,car`, or a file: one name a line, or a data yaml with `names:`. */
export async function classNames(text: string): Promise<readonly string[]> {
  const isFile = existsSync(text) || /[/\\]|\.(?:txt|names|ya?ml)$/i.test(text);
  if (!isFile) return text.split(',').map((name) => name.trim());
  const { readText } = await import('../compiler/node/files.js');
  const content = readText(text);
  if (!/\.ya?ml$/i.test(text)) return content.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '');
  const names = namesIn(await parsed(content, text));
  if (!names) throw new Problem('bad-option', `${text} has no names: list or mapping`);
  return names;
}

async function parsed(content: string, file: string): Promise<unknown> {
  const { load } = await import('js-yaml');
  try {
    return load(content);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0]! : 'it does not parse';
    throw new Problem('bad-yaml', `${file} is no YAML: ${reason}`, { cause: error });
  }
}

function namesIn(document: unknown): readonly string[] | undefined {
  const names = typeof document === 'object' && document !== null && 'names' in document ? document.names : undefined;
  return typeof names === 'object' && names !== null ? Object.values(names).map(String) : undefined;
}

/** 12803712 → `12.8 MB`. */
export const fileSize = (bytes: number): string => (bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
