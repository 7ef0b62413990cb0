/** `--key-map 'old.*=new.*'`: other names for a file's tensors. */
import { Problem } from '../errors.js';

export type KeyMap = (key: string) => string | undefined;

/**
 * Rules `pattern=replacement`, of which the first that matches a whole key counts. Each `*` stands for any text, and
 * stands for the same in the replacement, in order. An empty replacement leaves the tensor out (undefined).
 * Throws Problem('bad-option').
 */
export function keyMap(rules: readonly string[]): KeyMap {
  const compiled = rules.map(compileRule);
  return (key) => {
    for (const { pattern, replacement } of compiled) {
      const stars = matchStars(pattern, key);
      if (!stars) continue;
      return replacement === '' ? undefined : replacement.split('*').reduce((text, part, i) => text + (stars[i - 1] ?? '') + part);
    }
    return key;
  };
}

function compileRule(rule: string): { readonly pattern: readonly string[]; readonly replacement: string } {
  const at = rule.indexOf('=');
  const [pattern, replacement] = [rule.slice(0, at), rule.slice(at + 1)].map((side) => side.trim()) as [string, string];
  if (at < 1 || pattern === '' || replacement.includes('=')) {
    throw new Problem('bad-option', `a key map must be old=new, got '${rule}'`, { help: "Write it as 'model.9.fc.*=model.9.fc1.*'; an empty new side leaves tensors out." });
  }
  const stars = (text: string): number => text.split('*').length - 1;
  if (stars(replacement) > stars(pattern)) throw new Problem('bad-option', `the key map '${rule}' has more * on its new side than on its old one`);
  return { pattern: pattern.split('*'), replacement };
}

/** What the stars between the parts of a pattern stand for in a text (each as short as it can be); undefined where it does not match. */
function matchStars([first = '', ...rest]: readonly string[], text: string): string[] | undefined {
  if (!text.startsWith(first)) return undefined;
  if (rest.length === 0) return text === first ? [] : undefined;
  const stars: string[] = [];
  let at = first.length;
  for (const [i, part] of rest.entries()) {
    const next = i === rest.length - 1 ? text.length - part.length : text.indexOf(part, at);
    if (next < at || !text.startsWith(part, next)) return undefined;
    stars.push(text.slice(at, next));
    at = next + part.length;
  }
  return stars;
}
