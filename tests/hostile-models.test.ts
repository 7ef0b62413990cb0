import { describe, expect, it } from '@jest/globals';
import { pairResults } from '../compiler/inspect/diff-layers.js';
import { layersOf } from '../compiler/inspect/layers.js';
import { isSamePlace } from '../compiler/node/files.js';
import { readProfile } from '../compiler/node/profile.js';
import { shortMessage } from '../compiler/node/short-message.js';
import { nodeRunner } from '../compiler/node/runner.js';

const event = (name: string): string => `[\n{"cat" : "Node","pid" :1,"tid" :1,"dur" :66,"ts" :4,"ph" : "X","name" :"${name}_kernel_time","args" : {"op_name" : "Log","provider" : "CPUExecutionProvider"}}\n]\n`;

describe('what files may hold', () => {
  it.each(['a"b', 'a\\b', 'a\u001b[31m\n\t', 'plain'])('reads a profile with the node %j, whose name onnxruntime writes as it is', (name) => {
    expect(readProfile([event(name)]).kernels).toMatchObject([{ name, op: 'Log', provider: 'CPUExecutionProvider' }]);
  });

  it('says that a profile is cut off', () => {
    expect(() => readProfile([event('a').slice(0, 60)])).toThrow(/cut off/);
  });

  it('takes a node of more inputs than a call takes arguments', () => {
    const inputs = new Array<string>(300_000).fill('model.2.w');
    const tensor = { name: 'model.2.w', dtype: 'float32', shape: [], constant: false, read: () => new Float32Array(1) };
    const nodes = [{ name: 'sum', op: 'Sum', domain: '', inputs, outputs: ['y'], attributes: [] }];
    const model = { producer: '', irVersion: 8, opset: 17, domains: {}, metadata: {}, inputs: [], outputs: [], nodes, tensors: new Map([['model.2.w', tensor]]), functions: [] };
    expect(layersOf(model).map(({ name }) => name)).toEqual(['model.2']);
  });

  it('pairs many results by order', () => {
    const names = Array.from({ length: 2000 }, (_, i) => `v${i}`);
    let compared = 0;
    const difference = { shape: [], maxAbs: 0, maxRel: 0, cosine: 1, worst: { at: [], a: 0, b: 0, bound: 0 }, ok: true };
    expect(pairResults(names, names, () => (compared++, difference))).toHaveLength(2000);
    expect(compared).toBe(2000);
  });

  it('leaves the reason of a message of onnxruntime, not its C++', () => {
    const said = '/onnxruntime_src/onnxruntime/core/graph/model.cc:181 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&, std::function<void(int)>) Unsupported model IR version: 14, max supported IR version: 13';
    expect(shortMessage(said)).toBe('Unsupported model IR version: 14, max supported IR version: 13');
  });

  it('knows one place under two names', () => {
    expect(isSamePlace('tests/none.onnx', 'tests/../tests/none.onnx')).toBe(true);
    expect(isSamePlace('tests/none.onnx', 'tests/other.onnx')).toBe(false);
  });

  it.each([{ seconds: -1 }, { seconds: NaN }, { seconds: 1e12 }, { bytes: NaN }])('refuses limits %j', (limits) => {
    expect(() => nodeRunner({ limits })).toThrow(/limits\./);
  });
});
