/**
 * The list of attention modules in article 001 goes on after its code. What is well defined on feature maps has a module
 * here, under its paper's name and under the list's; the rest is told apart from misspellings.
 */
import type { Alias } from './dialects.js';

const listed: Readonly<Record<string, readonly string[]>> = {
  DANPositional: ['PAM_Module', 'PAM'],
  DANChannel: ['CAM_Module', 'CAM'],
  SplAtConv2d: ['RESNest', 'ResNeSt'],
  AxialAttention: ['Axial'],
  ADL: ['Attention-BasedDropout', 'AttentionBasedDropout'],
  EMAU: ['Expectation-MaximizationAttention', 'ExpectationMaximizationAttention'],
  CrissCrossAttention: ['Criss-CrossAttention'],
  EfficientAttention: ['AttnConv'],
};

export const LISTED: Readonly<Record<string, Alias>> = Object.fromEntries(Object.entries(listed).flatMap(([file, names]) => names.map((name) => [name, { file }])));

/** Listed, but working on words, states or several inputs, or standing for several things. */
const UNDEFINED = [
  'Harmonious', 'Spatial', 'RANet', 'Co-excite', 'X-Linear', 'Slot', 'RFA', 'Reverse', 'Cross', 'Perceiver', 'Boosted', 'Prophet', 'S3TA', 'Self-Critic',
  'BayesianAttentionBeliefNetworks', 'BayesianBeliefNetworks', 'Gaussian',
];

/** Spelling does not matter, nor whether it says Attention. */
const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '').replace(/(attention|module|block)+$/, '');

const undefinedNames = new Set(UNDEFINED.map(plain));

/** The way out for a listed name without a definition; undefined for any other name. */
export function undefinedByArticle(name: string): string | undefined {
  if (!undefinedNames.has(plain(name))) return undefined;
  const near = plain(name) === 'spatial' ? ' CBAM has a spatial gate.' : '';
  return `Articles name it without a definition for feature maps, so there is nothing to compile.${near} \`yolonnx modules\` lists what is defined.`;
}
