/** A model's yaml: a path, or text that is at hand. */
import { statSync } from 'node:fs';
import type { Source } from '../errors.js';
import { unscaledFile } from '../yaml/index.js';
import { readText } from './files.js';

/** More than any model's yaml; the parser refuses longer ones with its own words. */
const MAX_YAML = 4 * 2 ** 20;

/**
 * Reads a yaml. As Ultralytics does, `yolov8n-ema.yaml` is scale n of `yolov8-ema.yaml` where only that file is there.
 * Throws Problem('unreadable').
 */
export function readModel(model: string | Source, scale: string | undefined): { source: Source; scale: string | undefined } {
  if (typeof model !== 'string') return { source: model, scale };
  const whole = exists(model) ? undefined : unscaledFile(model);
  if (whole && exists(whole.file)) return { source: { file: whole.file, text: readText(whole.file, MAX_YAML) }, scale: scale ?? whole.scale };
  return { source: { file: model, text: readText(model, MAX_YAML) }, scale };
}

const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;
