/** The page of `verify --report`, in a real browser. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { reportHtml } from '../compiler/node/report-page.js';
import type { ReportDocument, ReportModel } from '../compiler/report.js';
import { findChromium, launch } from './chromium.js';
import { LOWEST_CONTRAST } from './contrast.js';
import { caseOf, documentOf, hostileDocument, hostileNames, manyCases, modelOf, sparseDocument } from './report-documents.js';

const executable = findChromium();
const inBrowser = executable === undefined ? describe.skip : describe;
let folder = '';
let model: ReportModel;
let one: ReportDocument;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'yolonnx-report-'));
  model = modelOf('fixtures/models/yolov8x.yaml', folder);
  one = documentOf([caseOf('models/yolov8x', { model })]);
  if (executable === undefined) console.info('No Chromium here: the report page is not opened. CHROMIUM names one.');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the file', () => {
  const scripts = (html: string): number => html.match(/<script/gi)?.length ?? 0;

  test('is one page below 2 MB without data', () => {
    const html = reportHtml(documentOf([]));
    expect(Buffer.byteLength(html)).toBeLessThan(2e6);
    expect(html).toMatch(/^<!doctype html>/);
    expect(html).not.toMatch(/<!--(title|noscript|index|cases)-->/);
  });

  test('names never become markup', () => {
    const { cases } = hostileDocument();
    expect(scripts(reportHtml(hostileDocument()))).toBe(scripts(reportHtml(documentOf([]))) + cases.length);
  });

  test('says verdict and cases without JavaScript', () => {
    const html = reportHtml(documentOf([caseOf('a <b>'), caseOf('c', { ok: false })]));
    expect(html).toContain('Failed: 1 of 2 cases agree.');
    expect(html).toContain('<tr><td><bdi>a &lt;b&gt;</bdi></td><td>passed</td><td>0.145</td>');
  });
});

inBrowser('in Chromium', () => {
  let browser: Browser;
  /** What no page may do: log, fail, ask for anything but itself. */
  let complaints: string[] = [];

  beforeAll(async () => {
    browser = await launch(executable!);
  });
  afterAll(() => browser.close());

  async function open(document: ReportDocument, hash = '', options: BrowserContextOptions = {}): Promise<Page> {
    const file = join(folder, 'page.html');
    writeFileSync(file, reportHtml(document));
    const url = pathToFileURL(file).href;
    complaints = [];
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      // Graphviz’ worker and the empty icon are in the page.
      if (!request.url().startsWith(url) && !/^(blob|data):/.test(request.url())) complaints.push(request.url());
    });
    await page.goto(url + hash);
    return page;
  }

  async function close(page: Page): Promise<void> {
    await page.context().close();
    expect(complaints).toEqual([]);
  }

  const expectRows = (page: Page, names: readonly string[]): Promise<void> => eventually(async () => (await page.locator('tbody th:visible').allTextContents()).join(' '), names.join(' '));

  const graphShown = (page: Page, timeout = 30_000): Promise<void> => page.locator('.canvas.shown').waitFor({ timeout });

  test('header: verdict, provider, versions, machine, notes', async () => {
    const page = await open({ ...documentOf([caseOf('a'), caseOf('b', { ok: false })]), provider: { requested: 'cuda', ran: ['CUDAExecutionProvider'], nodes: { CUDAExecutionProvider: 231, CPUExecutionProvider: 0 }, tf32: false } });
    const header = await page.locator('header').innerText();
    for (const text of ['failed', '1 of 2 cases failed.', 'cuda', 'CUDAExecutionProvider 231', 'CPUExecutionProvider 0', 'TF32\noff', '1.30.0', 'Some processor', '2030-01-02 03:04 UTC', 'although CUDA was asked for']) expect(header).toContain(text);
    await close(page);
  });

  test('533 cases: filter, failed only, order, one of them, the way back', async () => {
    const page = await open(documentOf(manyCases(533, model)));
    await expectCount(page, 'tbody tr', 200);
    await page.getByRole('button', { name: 'Show all' }).click();
    await expectCount(page, 'tbody tr', 533);
    await page.getByLabel('Failed only').check();
    await expectCount(page, 'tbody tr', 17);
    await page.getByLabel('Filter: Cases').fill('bad-golden');
    await expectRows(page, [7, 97, 187, 277, 367, 457].map((i) => `modules/Case${i}`));
    await page.getByLabel('Failed only').uncheck();
    await page.getByLabel('Filter: Cases').fill('case10');
    await page.getByRole('button', { name: 'Case', exact: true }).click();
    await page.getByRole('button', { name: 'Case', exact: true }).click();
    await expectCount(page, 'th[aria-sort="descending"]', 1);
    await expectRows(page, ['modules/Case109', 'modules/Case108', 'modules/Case107', 'modules/Case106', 'modules/Case105', 'modules/Case104', 'modules/Case103', 'modules/Case102', 'modules/Case101', 'modules/Case100', 'modules/Case10']);
    await page.getByRole('link', { name: 'modules/Case103' }).click();
    expect(new URL(page.url()).hash).toBe('#case-104');
    await page.locator('h2:visible').filter({ hasText: 'modules/Case103' }).waitFor();
    await page.getByRole('link', { name: 'All cases' }).click();
    await eventually(() => page.evaluate('document.activeElement.textContent.slice(0, 40)'), 'modules/Case103');
    await expectCount(page, 'tbody tr', 11);
    await close(page);
  });

  test('parity: outputs, histograms with their bound, worst elements', async () => {
    const page = await open(documentOf([caseOf('a', { ok: false })]), '#case-1');
    expect(await page.getByRole('region', { name: 'Outputs and their parts' }).getByRole('row').count()).toBe(4);
    await expectCount(page, '.plot svg', 2);
    expect(await page.locator('.plot').first().innerText()).toContain('bound 0.0042');
    expect(await page.locator('.plot').first().getAttribute('aria-label')).toMatch(/^Histogram of output0\[boxes\]: [\d\u202f]+ differing elements, [1-9]/);
    expect(await page.locator('.chart').first().innerText()).toContain('exactly equal 12\u202f345; not finite 0');
    expect(await page.getByRole('region', { name: 'Worst elements of output0' }).getByRole('row').count()).toBe(13);
    await close(page);
  });

  test('a case that could not run says why', async () => {
    const page = await open(documentOf([caseOf('a', { ok: false, error: { code: 'bad-golden', message: 'it has 2 inputs', help: 'Compile it anew.' } })]));
    expect(await page.locator('.failure').innerText()).toMatch(/bad-golden\s+it has 2 inputs\s+Help: Compile it anew\./);
    await close(page);
  });

  test('model: facts, layers with filter, order and totals; passes', async () => {
    const page = await open(one, '#case-1/layers');
    expect(await page.locator('main').innerText()).toContain('images float32 1×3×640×640');
    expect(await page.locator('tfoot').innerText()).toContain('68\u202f229\u202f648');
    await page.getByLabel('Filter: Layers').fill('c2f 80×80');
    await expectRows(page, ['model.4', 'model.15']);
    await page.getByRole('button', { name: 'Parameters' }).click();
    await expectRows(page, ['model.15', 'model.4']);
    await page.getByRole('link', { name: 'Passes' }).click();
    await page.locator('tbody tr:visible').nth(1).filter({ hasText: /399 → 398\s*−1\s*Conv \+1\s*Mul −1/ }).waitFor();
    await close(page);
  });

  test('graph: layers open in place and close, search goes to nodes, nodes have details', async () => {
    const page = await open(one, '#case-1/graph');
    await graphShown(page);
    // Three of the layers were fused into others.
    expect(await page.locator('.canvas .node').count()).toBe(model.layers.filter(({ nodes }) => nodes > 0).length + 2);
    await page.locator('#layer-1').click();
    await page.locator('#layer-1.open').waitFor();
    expect(await page.locator('#layer-1').getAttribute('aria-expanded')).toBe('true');
    expect(await page.locator('#node-3').getAttribute('aria-label')).toBe('Conv model.1.conv/Conv');
    await page.locator('#node-3').click();
    const details = page.getByRole('complementary');
    for (const hasText of ['kernel_shape', '[3, 3]', 'CPUExecutionProvider', 'model.1.conv.weight', 'float32 160×80×3×3']) await details.filter({ hasText }).waitFor();
    await details.getByRole('button', { name: 'model.0/Mul' }).click();
    await page.locator('#node-2.selected').waitFor();
    await page.locator('#layer-1 text').click();
    await page.locator('#layer-1:not(.open)').waitFor();

    await page.getByLabel('Find in the graph').fill('softmax');
    await page.keyboard.press('Enter');
    await page.locator('.node.selected.found').waitFor();
    await details.filter({ hasText: /^Softmax\s*model\.22\/Softmax/ }).waitFor();
    await page.getByLabel('Find in the graph').fill('model.22.dfl.conv.weight');
    await page.keyboard.press('Enter');
    await details.filter({ hasText: 'model.22.dfl.conv/MatMul' }).waitFor();
    await page.getByRole('button', { name: 'Close all' }).click();
    await expectCount(page, '.cluster', 0);
    await close(page);
  });

  test('all layers open; zoom and pan by wheel, mouse and buttons', async () => {
    const page = await open(one, '#case-1/graph');
    await graphShown(page);
    const view = (): Promise<string | null> => page.locator('.canvas > svg > g').getAttribute('transform');
    await page.getByRole('button', { name: 'Open all' }).click();
    await expectCount(page, '.canvas .node', model.nodes.length + 2);
    const seen = new Set([await view()]);
    await page.getByRole('button', { name: 'Fit' }).click();
    seen.add(await view());
    await page.getByRole('button', { name: 'Zoom in' }).click();
    seen.add(await view());
    const { x, y } = (await page.locator('.canvas').boundingBox())!;
    await page.mouse.move(x + 200, y + 200);
    await page.mouse.wheel(0, -240);
    await page.waitForTimeout(50);
    seen.add(await view());
    await page.mouse.down();
    await page.mouse.move(x + 260, y + 240);
    await page.mouse.up();
    seen.add(await view());
    expect(seen.size).toBe(5);
    await close(page);
  });

  test('a very large graph is laid out only when asked for, and can be stopped', async () => {
    const nodes = Array.from({ length: 4000 }, (_, i) => ({ name: `n${i}`, op: 'Add', layer: i % 4, inputs: [`v${i}`, `v${Math.max(0, i - 40)}`], outputs: [`v${i + 1}`], attributes: [] }));
    const layers = Array.from({ length: 4 }, (_, i) => ({ ...model.layers[0]!, name: `l${i}`, nodes: 1000 }));
    const page = await open(documentOf([caseOf('large', { model: { ...model, nodes, layers, values: {} } })]), '#case-1/graph');
    await graphShown(page);
    await page.getByRole('button', { name: 'Open all' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Lay out' }).click();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('button', { name: 'Close all layers' }).click();
    await expectCount(page, '.canvas .node', 6);
    await close(page);
  });

  test('by keyboard alone', async () => {
    const page = await open(documentOf([caseOf('first'), caseOf('models/yolov8x', { model })]));
    const active = 'document.activeElement';
    const tabTo = async (selector: string): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        await page.keyboard.press('Tab');
        if (await page.evaluate(`${active}.matches(${JSON.stringify(selector)})`)) return;
      }
      throw new Error(`Tab does not reach ${selector}`);
    };
    await tabTo('input[type=search]');
    await page.keyboard.type('v8x');
    await tabTo('th button');
    await page.keyboard.press('Enter');
    await expectCount(page, 'th[aria-sort=ascending]', 1);
    await tabTo('tbody a');
    expect(await page.evaluate(`getComputedStyle(${active}).outlineStyle`)).toBe('solid');
    await page.keyboard.press('Enter');
    await tabTo('a[href$="/graph"]');
    await page.keyboard.press('Enter');
    await graphShown(page);
    await tabTo('.canvas [role=button]');
    expect(await page.evaluate(`${active}.id`)).toBe('input-0');
    await page.keyboard.press('ArrowDown');
    await eventually(() => page.evaluate(`${active}.id`), 'layer-0');
    await page.keyboard.press('Enter');
    await page.locator('#layer-0.open:focus').waitFor();
    await page.keyboard.press('ArrowDown');
    expect(await page.evaluate(`${active}.id`)).toBe('node-0');
    await page.keyboard.press('Enter');
    await page.getByRole('complementary').filter({ hasText: 'model.0.conv/Conv' }).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('#layer-0:not(.open):focus').waitFor();
    await close(page);
  });

  test.each(['light', 'dark'] as const)('%s: text has a contrast of 4.5:1', async (colorScheme) => {
    const document = documentOf([caseOf('models/yolov8x', { model }), caseOf('b', { ok: false }), caseOf('c', { ok: false, error: { code: 'bad-golden', message: 'm' } })]);
    const page = await open(document, '', { colorScheme });
    for (const hash of ['#cases', '#case-1', '#case-2', '#case-3', '#case-1/layers', '#case-1/passes', '#case-1/graph']) {
      await page.evaluate(`location.hash = '${hash}'`);
      if (hash.endsWith('graph')) {
        await graphShown(page);
        await page.getByRole('button', { name: 'Open all' }).click();
        await expectCount(page, '.canvas .node', model.nodes.length + 2);
        await page.getByLabel('Find in the graph').fill('conv');
      }
      // Links and buttons change colour over time.
      await page.waitForTimeout(200);
      const { contrast, text } = await page.evaluate<{ contrast: number; text: string }>(LOWEST_CONTRAST);
      expect({ hash, text, enough: contrast >= 4.5, contrast }).toMatchObject({ enough: true });
    }
    await close(page);
  });

  test('the theme is the reader’s choice, paper is light', async () => {
    const page = await open(one, '', { colorScheme: 'light' });
    const ground = (): Promise<string> => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    expect(await ground()).toBe('rgb(245, 246, 248)');
    await page.getByLabel('Theme').selectOption('dark');
    await eventually(ground, 'rgb(18, 21, 26)');
    await page.emulateMedia({ media: 'print' });
    await eventually(ground, 'rgb(255, 255, 255)');
    await close(page);
  });

  test.each(['many', 'one', 'hostile', 'sparse', 'empty'] as const)('360 pixels are wide enough: %s', async (name) => {
    const documents = { many: () => documentOf(manyCases(40, model)), one: () => one, hostile: hostileDocument, sparse: sparseDocument, empty: () => documentOf([]) };
    const page = await open(documents[name](), '', { viewport: { width: 360, height: 740 } });
    for (const hash of ['#cases', '#case-1', '#case-1/layers', '#case-1/graph', '#case-1/passes', '#case-2', '#case-3/graph']) {
      await page.evaluate(`location.hash = '${hash}'`);
      await page.waitForTimeout(60);
      expect([hash, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([hash, 360]);
    }
    await close(page);
  });

  test('hostile names stay text, wherever they are shown', async () => {
    const page = await open(hostileDocument());
    for (let i = 1; i <= hostileNames.length; i++) {
      for (const view of ['', '/layers', '/passes', '/graph']) {
        await page.evaluate(`location.hash = '#case-${i}${view}'`);
        if (view !== '/graph') await page.locator('article section').first().waitFor();
        else if (i === 1) {
          await graphShown(page);
          await page.getByRole('button', { name: 'Open all' }).click();
          await expectCount(page, '.canvas .cluster', hostileNames.length - 1);
          await page.getByLabel('Find in the graph').fill('onerror');
          await page.keyboard.press('Enter');
          await page.locator('.selected').first().waitFor();
        }
      }
    }
    expect(await page.evaluate('window.hacked === undefined && document.querySelector("#page img, #page script, #page b b") === null')).toBe(true);
    expect(await page.title()).toContain('</script>');
    await close(page);
  });

  test('what is missing is a dash, never a fault', async () => {
    const page = await open(sparseDocument(), '#case-1');
    expect(await page.locator('main').innerText()).toMatch(/not finite/);
    for (const hash of ['#case-2', '#case-3', '#case-3/layers', '#case-3/graph', '#case-99', '#cases']) {
      await page.evaluate(`location.hash = '${hash}'`);
      await page.waitForTimeout(100);
      expect(await page.locator('main').innerText()).not.toMatch(/cannot be shown|NaN undefined|undefined|null|\bat .*:\d+/);
    }
    await close(page);
  });

  test('without JavaScript the page says the verdict and the cases', async () => {
    const page = await open(documentOf(manyCases(60, model)), '', { javaScriptEnabled: false });
    expect(await page.locator('noscript').innerText()).toContain('Failed: 57 of 60 cases agree.');
    await close(page);
  });

  test('how long it takes to open', async () => {
    const page = await open(documentOf([caseOf('models/yolov8x', { model }), ...manyCases(532, model)]));
    const table = Number(await page.evaluate('performance.getEntriesByName("shown")[0].startTime'));
    await page.evaluate('location.hash = "#case-1/graph"');
    const before = Number(await page.evaluate('performance.now()'));
    await graphShown(page);
    const graph = Number(await page.evaluate('performance.getEntriesByName("graph-shown")[0].startTime')) - before;
    console.info(`533 cases: header and table after ${Math.round(table)} ms; yolov8x’s graph ${Math.round(graph)} ms after its click`);
    await close(page);
  });
});

/** The page answers in its own time. */
async function eventually<Value>(read: () => Promise<Value>, wanted: Value): Promise<void> {
  const deadline = Date.now() + 30_000;
  let found = await read();
  while (found !== wanted && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 40));
    found = await read();
  }
  expect(found).toBe(wanted);
}

const expectCount = (page: Page, selector: string, count: number): Promise<void> => eventually(() => page.locator(selector).count(), count);
