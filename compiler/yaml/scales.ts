/** Depth, width and max_channels: from `scales:` by a letter, or from the yaml's own multiples. */
import { nearest, type Span } from '../errors.js';
import type { Family } from '../ir/network.js';
import { describe, type MapNode, type Node } from './document.js';
import { clip } from './spots.js';
import { START, keyOf, literalOf, missingKey, multiple, problemAt, written, type Context } from './values.js';

export interface Scaling {
  /** The scale in use; absent when the yaml's own multiples are. */
  readonly scale?: string;
  /** All keys of `scales:`. */
  readonly scales?: readonly string[];
  /** Nothing said which scale: the first was taken. */
  readonly guessed?: true;
  readonly depth: number;
  readonly width: number;
  readonly maxChannels: number;
}

/** Bundled models stay under 2. */
const MAX_MULTIPLE = 16;

/** Ultralytics: `yolov8n-ema.yaml` is scale n. */
const SCALED_NAME = /yolo(?:e-)?v?\d+([nslmx])/;

/** The scale that a file's name asks for, as Ultralytics reads it: `yolov8n-ema.yaml` → `n`. */
export function scaleOfFile(file: string): string | undefined {
  return SCALED_NAME.exec(stemOf(file))?.[1];
}

/** The file that holds all scales of a scaled name: `models/yolov8n-ema.yaml` → `models/yolov8-ema.yaml`, scale n. */
export function unscaledFile(file: string): { readonly file: string; readonly scale: string } | undefined {
  const stem = stemOf(file);
  const match = SCALED_NAME.exec(stem);
  const letter = match?.[1];
  if (!match || letter === undefined) return undefined;
  const at = file.length - (file.replace(/^.*[/\\]/, '').length) + match.index + match[0].length;
  return { file: file.slice(0, at - 1) + file.slice(at), scale: letter };
}

/** File name without folders and extension. */
export function stemOf(file: string): string {
  return file.replace(/^.*[/\\]/, '').replace(/\.[^.]*$/, '');
}

export interface ScaleOptions {
  readonly scale?: string;
  readonly scaleByName?: boolean;
  readonly fallback?: { readonly scale?: string };
}

export function readScaling(context: Context, family: Family, { scale: asked, scaleByName = true, fallback }: ScaleOptions): Scaling {
  const scales = keyOf(context, 'scales');
  if (scales === undefined || (scales.kind === 'map' && scales.entries.size === 0)) return withoutScales(context, family, asked);
  if (scales.kind !== 'map') {
    throw problemAt(context, 'bad-scale', scales.span, `scales must be a mapping of names to [depth, width, max_channels], got ${written(context, scales)}`, EXAMPLE);
  }
  const fromFile = scaleByName ? scaleOfFile(context.source.file) : undefined;
  if (asked !== undefined) return named(context, scales, asked, undefined);
  if (fromFile !== undefined) return named(context, scales, fromFile, undefined, 'The file’s name asks for it; --scale overrides it.');
  const key = keyOf(context, 'scale');
  if (key) {
    const value = literalOf(key);
    if (typeof value !== 'string') throw problemAt(context, 'bad-scale', key.span, `scale must be the name of a scale, got ${describe(key)}`, `The yaml has the scales ${list(scales)}.`);
    return named(context, scales, value, key.span);
  }
  if (keyOf(context, 'depth_multiple') ?? keyOf(context, 'width_multiple')) return ownMultiples(context, family);
  if (fallback?.scale !== undefined && scales.entries.has(fallback.scale)) return named(context, scales, fallback.scale, undefined);
  const [first = ''] = scales.entries.keys();
  const at = scales.entries.get(first)?.key ?? scales.span;
  context.warn(problemAt(context, 'bad-scale', at, `no scale is given: ${first} is taken`, `Choose one of ${list(scales)} with --scale or in the file’s name (yolov8${first}.yaml).`));
  return { ...named(context, scales, first, undefined), guessed: true };
}

const EXAMPLE = 'Write scales: as lines such as `s: [0.33, 0.50, 1024]`.';

const list = (scales: MapNode): string => [...scales.entries.keys()].slice(0, 20).map(clip).join(', ');

function named(context: Context, scales: MapNode, name: string, span: Span | undefined, why = ''): Scaling {
  const entry = scales.entries.get(name);
  if (!entry) {
    // Letters alone are all alike.
    const [near] = nearest(name, [...scales.entries.keys()].filter((key) => key.length > 1 && key.length <= 40));
    const help = [near === undefined ? '' : `Did you mean ${near}?`, `The yaml has ${list(scales)}.`, why].filter((part) => part !== '').join(' ');
    throw problemAt(context, 'bad-scale', span ?? context.root.entries.get('scales')?.key ?? scales.span, `the yaml has no scale '${clip(name)}'`, help);
  }
  const { value } = entry;
  if (value.kind !== 'list' || value.items.length !== 3) {
    throw problemAt(context, 'bad-scale', value.span, `scale ${name} must be [depth, width, max_channels], got ${written(context, value)}`, EXAMPLE);
  }
  const [depth, width, max] = value.items as [Node, Node, Node];
  return {
    scale: name,
    scales: [...scales.entries.keys()],
    depth: multiple(context, `depth of scale ${name}`, depth, MAX_MULTIPLE),
    width: multiple(context, `width of scale ${name}`, width, MAX_MULTIPLE),
    maxChannels: maxChannels(context, max),
  };
}

function withoutScales(context: Context, family: Family, asked: string | undefined): Scaling {
  if (asked !== undefined) {
    const at = context.root.entries.get('width_multiple') ?? context.root.entries.get('depth_multiple');
    throw problemAt(context, 'bad-scale', at?.key ?? START, `scale '${clip(asked)}' is asked for, but the yaml has no scales:`, `Leave --scale out: depth_multiple and width_multiple apply. Or add scales: with lines such as \`${asked.slice(0, 20)}: [0.33, 0.50, 1024]\`.`);
  }
  return ownMultiples(context, family);
}

function ownMultiples(context: Context, family: Family): Scaling {
  const read = (name: string): number => {
    const node = keyOf(context, name);
    if (node) return multiple(context, name, node, MAX_MULTIPLE);
    // Ultralytics takes 1.0 without a word; in YOLOv5 the key is required, and a yaml without it is rarely meant so.
    if (family === 'yolov5') context.warn(missingKey(context, name, '1.0 is taken; YOLOv5 itself needs the key.'));
    return 1;
  };
  const max = keyOf(context, 'max_channels');
  return { depth: read('depth_multiple'), width: read('width_multiple'), maxChannels: max ? maxChannels(context, max) : Infinity };
}

function maxChannels(context: Context, node: Node): number {
  const value = literalOf(node);
  if (value === Infinity || (typeof value === 'number' && Number.isFinite(value) && value >= 1)) return value;
  throw problemAt(context, 'bad-argument', node.span, `max_channels must be a number of at least 1, got ${describe(node)}`, 'Usual values are 512, 768 and 1024.');
}
