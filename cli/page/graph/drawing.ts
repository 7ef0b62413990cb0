/** Turns the text that Graphviz wrote into elements of the page: shapes and text, nothing else. */

const SVG = 'http://www.w3.org/2000/svg';
const ELEMENTS = new Set(['g', 'path', 'polygon', 'polyline', 'ellipse', 'text']);
const ATTRIBUTES = ['id', 'class', 'transform', 'd', 'points', 'cx', 'cy', 'rx', 'ry', 'x', 'y', 'text-anchor'];

export interface Drawing {
  readonly root: SVGGElement;
  readonly width: number;
  readonly height: number;
}

export function drawingOf(text: string): Drawing {
  const svg = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
  const [, , width = NaN, height = NaN] = (svg.getAttribute('viewBox') ?? '').split(/\s+/).map(Number);
  if (svg.localName !== 'svg' || !(width > 0) || !(height > 0)) throw new Error('Graphviz made no picture');
  const root = document.createElementNS(SVG, 'g');
  for (const child of svg.children) root.append(...copied(child));
  return { root, width, height };
}

/** Without titles, links, fonts and colours: those are the page's. */
function copied(from: Element): SVGElement[] {
  if (!ELEMENTS.has(from.localName)) return [];
  const to = document.createElementNS(SVG, from.localName as 'g');
  for (const name of ATTRIBUTES) {
    const value = from.getAttribute(name);
    if (value !== null) to.setAttribute(name, value);
  }
  if (from.localName === 'text') to.textContent = from.textContent;
  else for (const child of from.children) to.append(...copied(child));
  return [to];
}
