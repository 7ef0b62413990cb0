/** A pickled yaml as text again, one line for each row, so that it is read, and complained of, like any other. */
import { Problem } from '../errors.js';
import type { Plain } from './checkpoint.js';

const MAX_TEXT = 1 << 20;

export function yamlText(file: string, yaml: Readonly<Record<string, Plain>>): string {
  const text = Object.entries(yaml)
    .map(([key, value]) => `${scalar(key)}:${block(value)}\n`)
    .join('');
  if (text.length > MAX_TEXT) throw new Problem('too-large', `the yaml in ${file} has ${text.length} characters; at most ${MAX_TEXT} are read`, { help: 'Give the yaml of the model: yolonnx compile model.yaml --weights FILE.' });
  return text;
}

/** Lists of lists (rows, anchors) and mappings of lists (scales) stand one below the other. */
function block(value: Plain): string {
  if (Array.isArray(value) && value.some((item) => Array.isArray(item))) return (value as readonly Plain[]).map((item) => `\n  - ${flow(item)}`).join('');
  if (isRecord(value) && Object.values(value).some((item) => typeof item === 'object')) {
    return Object.entries(value).map(([key, item]) => `\n  ${scalar(key)}: ${flow(item)}`).join('');
  }
  return ` ${flow(value)}`;
}

function flow(value: Plain): string {
  if (Array.isArray(value)) return `[${(value as readonly Plain[]).map(flow).join(', ')}]`;
  if (isRecord(value)) return `{${Object.entries(value).map(([key, item]) => `${scalar(key)}: ${flow(item)}`).join(', ')}}`;
  return scalar(value as null | boolean | number | string);
}

const isRecord = (value: Plain): value is Readonly<Record<string, Plain>> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Words that YAML reads as something else. */
const RESERVED = /^(true|false|yes|no|on|off|null|y|n|none)$/i;

function scalar(value: null | boolean | number | string): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : Number.isNaN(value) ? '.nan' : value > 0 ? '.inf' : '-.inf';
  return /^[A-Za-z_][\w.]*$/.test(value) && !RESERVED.test(value) ? value : JSON.stringify(value);
}
