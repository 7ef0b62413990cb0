/** Finds boxes by the names of nodes, operators, layers and values. */
import { layerTitle, type BoxId, type GraphIndex } from './index.js';

/** In the order of the graph. Weights are found at the nodes that read them. */
export function findBoxes({ model, layers, nodesOf }: GraphIndex, text: string): BoxId[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  const matches = (...texts: readonly string[]): boolean => {
    const all = texts.join(' ').toLowerCase();
    return words.every((word) => all.includes(word));
  };
  const found: BoxId[] = [];
  model.inputs.forEach(({ name }, i) => matches(name) && found.push(`input-${i}`));
  layers.forEach((layer, i) => {
    const nodes = nodesOf[i] ?? [];
    if (nodes.length === 0) return;
    if (matches(layerTitle(layer))) found.push(`layer-${i}`);
    for (const node of nodes) {
      const { name, op, inputs, outputs } = model.nodes[node]!;
      if (matches(op, name, ...outputs, ...inputs.filter((value) => Object.hasOwn(model.values, value) && model.values[value]!.kind === 'initializer'))) found.push(`node-${node}`);
    }
  });
  model.outputs.forEach(({ name }, i) => matches(name) && found.push(`output-${i}`));
  return found;
}
