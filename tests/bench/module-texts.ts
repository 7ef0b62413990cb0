/** `npm run module-texts`: writes fixtures/modules anew, and prints README's table of exporters. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { exporters, exportersMarkdown, moduleText } from '../module-texts.js';

mkdirSync('fixtures/modules', { recursive: true });
for (const name of Object.keys(exporters)) writeFileSync(`fixtures/modules/${name}.txt`, await moduleText(name));
console.log(await exportersMarkdown());
