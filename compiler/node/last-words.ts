/** The end of what was said: lines without colours, stacks and dumps left out, at most 300 characters. */
export function lastWords(said: string): string {
  const lines = said
    .replace(/\u001b\[[\d;]*m/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(at |\d+: 0x|-----)/.test(line));
  const text = lines.slice(-3).join(' ').replace(/[^\u0020-\u007e\u00a0-\uffff]/g, ' ');
  return text.length > 300 ? `...${text.slice(-297)}` : text;
}
