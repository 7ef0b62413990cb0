/** An onnxruntime message without its own source positions: one line, at most 300 characters. */
export function shortMessage(message: string): string {
  const line = message
    .replace(/^\/\S+onnxruntime\S*:\d+ [\s\S]*? was false\. /, '')
    .replace(/\/onnxruntime_src\/\S+:\d+ (?:[^()\n]*[\w>]\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)(?: const)? )?/g, '')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > 300 ? `${line.slice(0, 297)}...` : line;
}
