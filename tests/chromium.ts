/** The Chromium of this machine, where there is one. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

/** CHROMIUM names its file; else it is looked for along PATH. */
export function findChromium(): string | undefined {
  const { CHROMIUM, PATH = '' } = process.env;
  if (CHROMIUM !== undefined && CHROMIUM !== '') return CHROMIUM;
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const file = PATH.split(':').flatMap((folder) => names.map((name) => `${folder}/${name}`)).find((path) => existsSync(path));
  // Some systems have a file of that name that only tells where to get it.
  return file !== undefined && spawnSync(file, ['--version']).status === 0 ? file : undefined;
}

export const launch = (executablePath: string): Promise<Browser> => chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
