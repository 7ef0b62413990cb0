/**
 * Where every value of a yaml document stands in its text: a tree of the same form as the constructed value, made
 * from js-yaml's events. It also refuses what would make the value explode (alias bombs) or lose text (duplicate keys).
 */
import { COLLECTION_STYLE, EVENT_ID, SCALAR_STYLE, getScalarValue, type Event, type MappingEvent, type ScalarEvent, type SequenceEvent } from 'js-yaml';
import { Problem, type Source, type Span } from '../errors.js';

export type Spot = ScalarSpot | ListSpot | MapSpot;

interface Measured {
  readonly span: Span;
  /** Values in it, those of aliases counted at every use. */
  readonly size: number;
  /** Levels of lists and mappings in it. */
  readonly height: number;
}

export interface ScalarSpot extends Measured {
  readonly kind: 'scalar';
  /** The decoded text; a key's name. */
  readonly text: string;
  readonly merge: boolean;
}

export interface ListSpot extends Measured {
  readonly kind: 'list';
  readonly items: readonly Spot[];
}

export interface MapSpot extends Measured {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, { readonly key: Span; readonly spot: Spot }>;
}

/** Text of the yaml in a message: not more than a line's worth. */
export const clip = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

/** A model's yaml has about a thousand values. */
const MAX_VALUES = 100_000;
const MAX_HEIGHT = 100;

/** The spots of the (only) document; undefined where there is none. */
export function spotsOf(events: readonly Event[], source: Source): Spot | undefined {
  if (events.length > 3 * MAX_VALUES) {
    const span = { start: 0, end: 1 };
    throw new Problem('too-large', `the yaml stands for more than ${MAX_VALUES} values`, { place: { source, span }, help: TOO_LARGE });
  }
  return new SpotReader(events, source).document();
}

const TOO_LARGE = 'A model’s yaml has about a thousand values; look for aliases (*name) that repeat each other.';

class SpotReader {
  private next = 0;
  /** Values read so far, those of aliases counted at every use. */
  private values = 0;
  /** The end of what was read last: where an empty value stands. */
  private cursor = 0;
  /** null while the anchored value is still open. */
  private readonly anchors = new Map<string, Spot | null>();

  constructor(
    private readonly events: readonly Event[],
    private readonly source: Source,
  ) {}

  document(): Spot | undefined {
    if (this.take() === undefined) return undefined;
    const root = this.spot();
    this.take();
    if (this.next < this.events.length) {
      const second = this.spotAfterDocument();
      throw this.problem('bad-yaml', 'the file holds more than one yaml document', second.span, 'A model is one document: remove the `---` line and what does not belong to it.');
    }
    return root;
  }

  private spotAfterDocument(): Spot {
    this.take();
    return this.spot();
  }

  private take(): Event | undefined {
    return this.events[this.next++];
  }

  private spot(): Spot {
    const event = this.take();
    switch (event?.type) {
      case EVENT_ID.SCALAR:
        return this.anchored(event, this.scalar(event));
      case EVENT_ID.SEQUENCE:
        this.open(event);
        return this.anchored(event, this.list(event));
      case EVENT_ID.MAPPING:
        this.open(event);
        return this.anchored(event, this.map(event));
      case EVENT_ID.ALIAS:
        return this.alias({ start: event.anchorStart, end: event.anchorEnd });
      default:
        throw this.problem('bad-yaml', 'the yaml ends too early', { start: this.cursor, end: this.cursor }, 'Check brackets and indentation.');
    }
  }

  private alias(name: Span): Spot {
    const span = { start: name.start - 1, end: name.end };
    this.cursor = span.end;
    const anchor = this.source.text.slice(name.start, name.end);
    const spot = this.anchors.get(anchor);
    if (spot === undefined) throw this.problem('bad-yaml', `*${clip(anchor)} is not defined before this place`, span, `Write &${clip(anchor)} before the value that it stands for.`);
    if (spot === null) throw this.problem('bad-yaml', `*${clip(anchor)} stands inside the value that it names`, span, 'A value cannot contain itself.');
    this.count(spot.size, span);
    return { ...spot, span };
  }

  private scalar(event: ScalarEvent): ScalarSpot {
    const quoted = event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED ? 1 : 0;
    const span = event.valueStart < 0 ? { start: this.cursor, end: this.cursor } : { start: event.valueStart - quoted, end: event.valueEnd + quoted };
    this.cursor = span.end;
    this.count(1, span);
    const text = getScalarValue(this.source.text, event);
    return { kind: 'scalar', span, size: 1, height: 0, text, merge: text === '<<' && event.style === SCALAR_STYLE.PLAIN };
  }

  private list(event: SequenceEvent): ListSpot {
    this.cursor = event.start + 1;
    const items: Spot[] = [];
    while (this.events[this.next]?.type !== EVENT_ID.POP) items.push(this.spot());
    const span = this.close(event, ']');
    return { kind: 'list', items, ...this.measure(span, items) };
  }

  private map(event: MappingEvent): MapSpot {
    this.cursor = event.style === COLLECTION_STYLE.FLOW ? event.start + 1 : event.start;
    const entries = new Map<string, { key: Span; spot: Spot }>();
    const own = new Set<string>();
    while (this.events[this.next]?.type !== EVENT_ID.POP) {
      const key = this.spot();
      const spot = this.spot();
      if (key.kind !== 'scalar') throw this.problem('bad-yaml', 'a key must be text', key.span, 'Write `name: value`.');
      if (key.merge) this.merge(entries, spot);
      else if (own.has(key.text)) throw this.problem('bad-yaml', `the key ${clip(key.text)} is given twice`, key.span, 'Keep one of the two.');
      else {
        own.add(key.text);
        entries.set(key.text, { key: key.span, spot });
      }
    }
    const span = this.close(event, '}');
    return { kind: 'map', entries, ...this.measure(span, [...entries.values()].map(({ spot }) => spot)) };
  }

  /** `<<: *base` gives the keys that are not there yet; a key written later replaces them. */
  private merge(entries: Map<string, { key: Span; spot: Spot }>, from: Spot): void {
    const maps = from.kind === 'list' ? from.items : [from];
    for (const map of maps) {
      if (map.kind !== 'map') throw this.problem('bad-yaml', '<< must be given a mapping', from.span, 'Write `<<: *name`, where &name marks a mapping.');
      for (const [name, entry] of map.entries) if (!entries.has(name)) entries.set(name, entry);
    }
  }

  private open(event: SequenceEvent | MappingEvent): void {
    if (event.anchorStart >= 0) this.anchors.set(this.anchorName(event), null);
  }

  private anchored(event: ScalarEvent | SequenceEvent | MappingEvent, spot: Spot): Spot {
    if (event.anchorStart >= 0) this.anchors.set(this.anchorName(event), spot);
    return spot;
  }

  private anchorName(event: ScalarEvent | SequenceEvent | MappingEvent): string {
    return this.source.text.slice(event.anchorStart, event.anchorEnd);
  }

  /** Takes the closing event. Events do not say where a collection ends: a flow one at its bracket, a block one with its last value. */
  private close(event: SequenceEvent | MappingEvent, bracket: string): Span {
    this.take();
    if (event.style === COLLECTION_STYLE.FLOW) {
      const rest = /(?:[\s,:]|#[^\n]*)*/y;
      rest.lastIndex = this.cursor;
      const end = this.cursor + (rest.exec(this.source.text)?.[0].length ?? 0);
      if (this.source.text[end] === bracket) this.cursor = end + 1;
    }
    return { start: event.start, end: Math.max(this.cursor, event.start) };
  }

  private measure(span: Span, parts: readonly Spot[]): Measured {
    let [size, height] = [1, 0];
    for (const part of parts) {
      size += part.size;
      height = Math.max(height, part.height);
    }
    this.count(1, span);
    if (height >= MAX_HEIGHT) throw this.problem('too-large', `lists are nested more than ${MAX_HEIGHT} deep`, span, TOO_LARGE);
    return { span, size, height: height + 1 };
  }

  private count(values: number, span: Span): void {
    this.values += values;
    if (this.values > MAX_VALUES) throw this.problem('too-large', `the yaml stands for more than ${MAX_VALUES} values`, span, TOO_LARGE);
  }

  private problem(code: 'bad-yaml' | 'too-large', message: string, span: Span, help: string): Problem {
    return new Problem(code, message, { place: { source: this.source, span }, help });
  }
}
