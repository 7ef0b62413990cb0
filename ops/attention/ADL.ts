import { defineModule, number } from '../../compiler/module.js';

export const ADL = defineModule({
  doc: 'Attention-based dropout: the identity at inference.',
  source: 'arXiv:1908.10028; junsukchoe/ADL ops.py',
  args: { drop_rate: number('share of the mask when training', 0.75, { min: 0, max: 1 }), threshold: number('threshold of the mask when training', 0.8, { min: 0, max: 1 }) },
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build: (_, x) => x,
});
export default ADL;
