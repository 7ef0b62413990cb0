/** A name out of the data: isolated from the text around it, shortened where it is very long. */
import type { VNode } from 'preact';
import { short, visible } from './format.js';

export function Name({ text, limit = 96 }: { readonly text: string; readonly limit?: number }): VNode {
  const shown = short(text, limit);
  return <bdi class="name" title={shown.includes('…') ? visible(text.slice(0, 1000)) : undefined}>{shown}</bdi>;
}
