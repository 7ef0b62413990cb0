import eslint from 'typescript-eslint';

/** Imports point one way: cli → compiler, passes, ops; ops → module, builder, ir; passes → ir, onnx, errors. */
const forbid = (files, patterns, ignores = []) => ({ files, ignores, rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] } });
const node = { group: ['node:*', 'onnxruntime-node', '**/node/*', 'yargs', 'cli-table3', 'cli-progress'], message: 'The core is portable: Node belongs to cli, compiler/node, compiler/index.ts, ops/index.ts and passes/targets/index.ts.' };

export default eslint.config(
  { ignores: ['dist/', 'node_modules/', 'out/', 'eslint.config.js'] },
  eslint.configs.strictTypeChecked,
  eslint.configs.stylisticTypeChecked,
  { languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } } },
  {
    rules: {
      // Indexing is checked (noUncheckedIndexedAccess); where an index is known to be there, `!` says so.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true, ignoreVoidOperator: true }],
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/no-misused-spread': 'off',
      'no-restricted-syntax': ['error', { selector: 'TSEnumDeclaration', message: 'Use a union of literals.' }],
    },
  },
  forbid(['compiler/**/*.ts'], [node, { group: ['**/cli/**'], message: 'The compiler does not know the command line.' }], ['compiler/node/**', 'compiler/index.ts']),
  forbid(['compiler/ir/**/*.ts', 'compiler/onnx/**/*.ts', 'compiler/weights/**/*.ts'], [node, { group: ['**/passes/**', '**/ops/**', '**/cli/**'], message: 'The IR, the operators and the weights know nothing of passes and modules.' }]),
  forbid(['ops/*/*.ts'], [node, { group: ['**/passes/**', '**/cli/**', '**/compiler/compile.js', '**/compiler/record.js', '**/compiler/onnx/**', '**/compiler/yaml/**', '**/compiler/weights/**'], message: 'A module knows module.ts, the builder and the IR.' }]),
  forbid(['passes/**/*.ts'], [node, { group: ['**/cli/**', '**/ops/**', '**/compiler/compile.js', '**/compiler/record.js'], message: 'A pass knows the IR, the operators and errors.' }], ['passes/targets/index.ts']),
  forbid(['cli/**/*.ts'], [{ group: ['yargs'], allowTypeImports: true, message: 'Only main.ts knows yargs.' }], ['cli/main.ts']),
  forbid(['cli/page/**/*.{ts,tsx}'], [node, { regex: '/(compiler|ops|passes|cli)/(?!provider-report\\.js|inspect/origin\\.js)', allowTypeImports: true, message: 'The page knows the types of what it shows and how it is said in words, nothing more.' }]),
  { files: ['cli/*.cts'], rules: { '@typescript-eslint/no-require-imports': ['error', { allowAsImport: true }] } },
  { files: ['tests/**/*.ts'], rules: { '@typescript-eslint/no-unsafe-assignment': 'off' } },
);
