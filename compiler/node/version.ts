import { existsSync, readFileSync } from 'node:fs';
import { internal } from '../errors.js';

/** The version of this package: of the next package.json upwards that has one, wherever this code was bundled to. */
export function version(): string {
  for (let folder = new URL('.', import.meta.url); folder.pathname !== '/'; folder = new URL('..', folder)) {
    const manifest = new URL('package.json', folder);
    const { version: found } = existsSync(manifest) ? (JSON.parse(readFileSync(manifest, 'utf8')) as { readonly version?: string }) : {};
    if (found !== undefined) return found;
  }
  throw internal('package.json is missing');
}

/** Today as YYYY-MM-DD; SOURCE_DATE_EPOCH (seconds) makes files reproducible on other days. */
export function today(): string {
  const epoch = process.env.SOURCE_DATE_EPOCH;
  return new Date(epoch !== undefined && /^\d{1,12}$/.test(epoch) ? Number(epoch) * 1000 : Date.now()).toISOString().slice(0, 10);
}
