/** Parameters, layers and GFLOPs as YOLO's summaries print them. */
import { Problem } from './errors.js';
import { isStatic } from './ir/extent.js';
import type { Graph, OpNode } from './ir/graph.js';
import type { BoundLayer, Network } from './ir/network.js';
import { rowOf } from './onnx/operators/index.js';
import { recordNetwork } from './record.js';
import type { WeightSource } from './weights/source.js';

export interface Macs {
  /** Multiply-adds of the whole graph, by the rules of ultralytics-thop. */
  readonly total: number;
  /** Whether it has products that no nn.Module computes (attention). */
  readonly functional: boolean;
  /** Whether it has nn.Linear or adaptive pooling, whose cost does not grow with the map. */
  readonly fixed: boolean;
}

/** Counts a graph of known sizes, as the packages do or as it is. A parameter, its bias or an activation costs nothing in these rules. */
export function countMacs(graph: Graph, { linear = false, asPackages = false }: { readonly linear?: boolean; readonly asPackages?: boolean } = {}): Macs {
  let [total, functional, fixed] = [0, false, linear];
  for (const node of graph.nodes) {
    if (node.kind !== 'op') {
      const inner = node.body ? countMacs(node.body, { asPackages }) : undefined;
      total += (inner?.total ?? 0) + (node.kind === 'call' && asPackages ? (node.spared?.(node.inputs) ?? 0) : 0);
      functional ||= inner?.functional ?? false;
      continue;
    }
    total += macsOf(node);
    functional ||= !node.leaf && rowOf(node.op).macs?.when === 'always';
    fixed ||= node.leaf && FIXED.has(node.op);
  }
  return { total, functional, fixed };
}

/** AdaptiveAvgPool2d and AdaptiveMaxPool2d, as the modules of this project record them. */
const FIXED: ReadonlySet<string> = new Set(['GlobalAveragePool', 'GlobalMaxPool', 'ReduceMean']);

function macsOf(node: OpNode): number {
  const rule = rowOf(node.op).macs;
  if (!rule || (rule.when === 'leaf' && !node.leaf)) return 0;
  if (!node.outputs.every(({ shape }) => isStatic(shape))) throw new Problem('bad-shape', 'operations can only be counted for known sizes');
  return rule.count(node.inputs, node.outputs, node.attrs);
}

/**
 * GFLOPs (two operations a multiply-add) at an image size, as the package of the yaml's family prints them.
 *
 * YOLOv5 counts one cell of the largest stride and scales it by area. Ultralytics (thop's stride mode) counts images
 * one stride high and k = 1, 2, … strides wide: one where every cost grows with the area, two where some are fixed, four
 * where products of attention grow with its square, and extrapolates; where that cannot be exact it counts the real size.
 * Where the package's own measurement fails (a module that cannot run on one cell) this is the count at the real size.
 */
export function gflops(network: Network<BoundLayer>, stride: number, [height, width]: readonly [number, number], weights: WeightSource): number {
  const at = (h: number, w: number): Macs => {
    const { graph, linear } = recordNetwork(network, { batch: 1, height: h, width: w }, { weights, countOnly: true });
    return countMacs(graph, { linear, asPackages: true });
  };
  const cell = Math.max(stride, 32);
  try {
    const macs = network.family === 'yolov5' ? (at(cell, cell).total * height * width) / (cell * cell) : extrapolated(at, cell, height, width);
    return (2 * (macs ?? at(height, width).total)) / 1e9;
  } catch (error) {
    if (!(error instanceof Problem) || error.code === 'internal') throw error;
    return (2 * at(height, width).total) / 1e9;
  }
}

function extrapolated(at: (h: number, w: number) => Macs, cell: number, height: number, width: number): number | undefined {
  if (height % cell !== 0 || width % cell !== 0) return undefined;
  const cells = (height / cell) * (width / cell);
  const first = at(cell, cell);
  const planned = first.fixed ? 2 : 1;
  if (4 * (planned + (planned * (planned - 1)) / 2) > cells) return undefined;
  const samples = first.functional ? 4 : planned;
  const counts = [first.total];
  while (counts.length < samples) counts.push(at(cell, cell * (counts.length + 1)).total);
  const [one, two = 2 * one, three = 2 * two - one, four] = counts as [number, number?, number?, number?];
  if (four !== undefined && four - 3 * three + 3 * two - one !== 0) return undefined;
  const steps = cells - 1;
  return one + steps * (two - one) + Math.floor((steps * (steps - 1)) / 2) * (three - 2 * two + one);
}
