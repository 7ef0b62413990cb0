/** The drawn graph on the page: zoom and pan, focus, keys, and marks on its boxes. */
import { select } from 'd3-selection';
import { zoom, zoomIdentity, type D3ZoomEvent } from 'd3-zoom';
import type { BoxId } from './index.js';
import type { Edge } from './picture.js';
import type { Drawing } from './drawing.js';

export interface CanvasEvents {
  /** Clicked, or Enter. */
  activate(id: BoxId): void;
  /** Clicked beside what would activate it. */
  select(id: BoxId): void;
  /** Escape on it. */
  leave(id: BoxId): void;
}

export interface BoxLabel {
  readonly id: BoxId;
  readonly label: string;
  /** Of a layer: whether it is open. */
  readonly expanded?: boolean;
}

interface Box {
  readonly element: SVGGElement;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

type Direction = 'ArrowUp' | 'ArrowDown' | 'ArrowLeft' | 'ArrowRight';

const DIRECTIONS: Readonly<Record<Direction, readonly [number, number]>> = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

const isDirection = (key: string): key is Direction => Object.hasOwn(DIRECTIONS, key);

export class Canvas {
  readonly #svg: SVGSVGElement;
  readonly #view: SVGGElement;
  readonly #events: CanvasEvents;
  readonly #zoom = zoom<SVGSVGElement, unknown>().scaleExtent([0.02, 4]);
  #boxes = new Map<BoxId, Box>();
  #edges: readonly Edge[] = [];
  #size = { width: 1, height: 1 };
  #at = zoomIdentity;
  #selected: BoxId | undefined;

  constructor(svg: SVGSVGElement, events: CanvasEvents) {
    this.#svg = svg;
    this.#events = events;
    this.#view = svg.appendChild(document.createElementNS('http://www.w3.org/2000/svg', 'g'));
    this.#zoom.extent(() => [[0, 0], [svg.clientWidth, svg.clientHeight]]);
    this.#zoom.on('zoom', ({ transform }: D3ZoomEvent<SVGSVGElement, unknown>) => {
      this.#at = transform;
      this.#view.setAttribute('transform', transform.toString());
    });
    select(svg).call(this.#zoom).on('dblclick.zoom', null);
    svg.addEventListener('click', ({ target }) => this.#clicked(target as Element));
    svg.addEventListener('keydown', (event) => this.#pressed(event));
    svg.addEventListener('focusin', ({ target }) => {
      const id = idOf(target as Element);
      if (id) this.#focused(id);
    });
  }

  /** Replaces what is drawn. The view stays where it is; the caller moves it. */
  draw({ root, width, height }: Drawing, labels: readonly BoxLabel[], edges: readonly Edge[]): void {
    this.#view.replaceChildren(root);
    this.#size = { width, height };
    this.#edges = edges;
    const origin = this.#svg.getBoundingClientRect();
    const { k, x, y } = this.#at;
    // All is measured before anything changes: the browser then lays out once.
    this.#boxes = new Map(labels.flatMap(({ id }) => {
      const element = root.querySelector<SVGGElement>(`#${id}`);
      const rect = element?.getBoundingClientRect();
      return element && rect ? [[id, { element, x: (rect.x - origin.x - x) / k, y: (rect.y - origin.y - y) / k, width: rect.width / k, height: rect.height / k }]] : [];
    }));
    for (const { id, label, expanded } of labels) {
      const element = this.#boxes.get(id)?.element;
      element?.setAttribute('role', 'button');
      element?.setAttribute('tabindex', '-1');
      element?.setAttribute('aria-label', label);
      if (expanded !== undefined) element?.setAttribute('aria-expanded', String(expanded));
    }
    const first = this.#boxes.values().next().value;
    first?.element.setAttribute('tabindex', '0');
    if (this.#selected) this.select(this.#selected);
  }

  /** All of it. */
  fit(): void {
    const { width, height } = this.#size;
    this.#frame(Math.min(1.25, this.#svg.clientWidth / (width + 16), this.#svg.clientHeight / (height + 16)), width / 2, height / 2);
  }

  /** All of it where that can be read, else its top. */
  overview(): void {
    const { width, height } = this.#size;
    if (Math.min(this.#svg.clientWidth / width, this.#svg.clientHeight / height) < 0.35) this.start();
    else this.fit();
  }

  /** The top of the graph in a size that can be read. */
  start(): void {
    const { width, height } = this.#size;
    const k = Math.max(0.85, Math.min(1, this.#svg.clientWidth / (width + 16), this.#svg.clientHeight / (height + 16)));
    const first = this.#boxes.values().next().value;
    const middle = width * k <= this.#svg.clientWidth || !first ? width / 2 : first.x + first.width / 2;
    this.#frame(k, middle, Math.max(height / 2 * Number(height * k < this.#svg.clientHeight), this.#svg.clientHeight / 2 / k - 12));
  }

  zoomBy(factor: number): void {
    select(this.#svg).call(this.#zoom.scaleBy, factor);
  }

  /** Moves the view over the graph, by parts of its size. */
  panBy([right, down]: readonly [number, number]): void {
    select(this.#svg).call(this.#zoom.translateBy, (-right * this.#svg.clientWidth) / this.#at.k, (-down * this.#svg.clientHeight) / this.#at.k);
  }

  /** Brings a box to the middle; a frame that is larger than the view, its top. */
  goTo(id: BoxId): void {
    const box = this.#boxes.get(id);
    if (!box) return;
    const k = Math.max(this.#at.k, 0.6);
    const half = this.#svg.clientHeight / 2 / k;
    this.#frame(k, box.x + Math.min(box.width, this.#svg.clientWidth / k) / 2, box.y + Math.min(box.height / 2, half - 16 / k));
  }

  focus(id: BoxId): void {
    this.#boxes.get(id)?.element.focus({ preventScroll: true });
  }

  /** Marks the box and the edges at it. */
  select(id: BoxId | undefined): void {
    this.#selected = id;
    for (const [other, { element }] of this.#boxes) element.classList.toggle('selected', other === id);
    this.#edges.forEach(({ from, to }, i) => this.#view.querySelector(`#edge-${i}`)?.classList.toggle('linked', from === id || to === id));
  }

  /** Marks what a search found. */
  mark(found: ReadonlySet<BoxId>): void {
    for (const [id, { element }] of this.#boxes) element.classList.toggle('found', found.has(id));
  }

  #frame(k: number, x: number, y: number): void {
    select(this.#svg).call(this.#zoom.transform, zoomIdentity.translate(this.#svg.clientWidth / 2 - k * x, this.#svg.clientHeight / 2 - k * y).scale(k));
  }

  #clicked(target: Element): void {
    const id = idOf(target);
    if (!id) return;
    this.focus(id);
    // Of an open layer's frame its title closes it; elsewhere a click is easily beside a node.
    const beside = target.closest('.open') !== null && target.localName !== 'text';
    if (beside) this.#events.select(id);
    else this.#events.activate(id);
  }

  #focused(id: BoxId): void {
    for (const [other, { element }] of this.#boxes) element.setAttribute('tabindex', other === id ? '0' : '-1');
    if (!this.#isSeen(id)) this.goTo(id);
  }

  #isSeen(id: BoxId): boolean {
    const box = this.#boxes.get(id);
    if (!box) return true;
    const { k, x, y } = this.#at;
    const [left, top] = [box.x * k + x, box.y * k + y];
    return left >= 0 && top >= 0 && left + Math.min(box.width * k, 40) <= this.#svg.clientWidth && top + Math.min(box.height * k, 20) <= this.#svg.clientHeight;
  }

  #pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const id = idOf(event.target as Element);
    const { key } = event;
    if (isDirection(key)) {
      if (event.shiftKey || !id) this.panBy([DIRECTIONS[key][0] * 0.2, DIRECTIONS[key][1] * 0.2]);
      else this.#move(id, DIRECTIONS[key]);
    } else if (key === '+' || key === '=') this.zoomBy(1.3);
    else if (key === '-') this.zoomBy(1 / 1.3);
    else if (key === '0') this.fit();
    else if ((key === 'Enter' || key === ' ') && id) this.#events.activate(id);
    else if (key === 'Escape' && id) this.#events.leave(id);
    else return;
    event.preventDefault();
  }

  /** To the nearest box that way; what lies aside counts more than what lies ahead. */
  #move(from: BoxId, [right, down]: readonly [number, number]): void {
    const start = middleOf(this.#boxes.get(from)!);
    let best: { readonly id: BoxId; readonly distance: number } | undefined;
    for (const [id, box] of this.#boxes) {
      const middle = middleOf(box);
      const [dx, dy] = [middle.x - start.x, middle.y - start.y];
      const ahead = dx * right + dy * down;
      const aside = Math.abs(dx * down) + Math.abs(dy * right);
      if (id === from || ahead <= 1) continue;
      const distance = ahead + 2 * aside;
      if (!best || distance < best.distance) best = { id, distance };
    }
    if (best) this.focus(best.id);
  }
}

/** Of a frame it is where its title is. */
const middleOf = ({ element, x, y, width, height }: Box): { readonly x: number; readonly y: number } =>
  element.classList.contains('open') ? { x: x + width / 2, y: y + 10 } : { x: x + width / 2, y: y + height / 2 };

const idOf = (target: Element): BoxId | undefined => (target.closest('[role="button"]')?.id as BoxId | undefined);
