/** Everything that the pipeline needs of yaml files. */
export { parseNetwork, type ParseOptions } from './parse.js';
export { loadDefinitions } from './definitions.js';
export { dialectOf, namesOf, type Dialect } from './dialects.js';
export { scaleOfFile, stemOf, unscaledFile } from './scales.js';
export { pythonLiteral } from './literals.js';
export { bindModule, type LoneModule } from './lone-module.js';
