/** A model's yaml: a path, or text that is at hand. */
import { statSync } from 'node:fs';
import type { Source } from '../errors.js';
import { unscaledFile } from '../yaml/index.js';
import { readText } from './files.js';

/** More than any model's yaml; the parser refuses longer ones with its own words. */
const MAX_YAML = 4 * 2 ** 20;

/**
 * The file that a model's name means. As in Ultralytics, `yolov8n-ema.yaml` is scale n of `yolov8-ema.yaml` where only
 * that file is there.
 */
export function locateModel(model: string, scale?: string): { readonly file: string; readonly scale: string | undefined } {
  const whole = exists(model) ? undefined : unscaledFile(model);
  return whole && exists(whole.file) ? { file: whole.file, scale: scale ?? whole.scale } : { file: model, scale };
}

/** Reads a yaml. Throws Problem('unreadable'). */
export function readModel(model: string | Source, scale: string | undefined): { readonly source: Source; readonly scale: string | undefined } {
  if (typeof model !== 'string') return { source: model, scale };
  const located = locateModel(model, scale);
  return { source: { file: located.file, text: readText(located.file, MAX_YAML) }, scale: located.scale };
}

/** False only where there is no such file: what is wrong with others, reading them tells. */
export function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}
