/** How often each magnitude of difference occurs, against the bound. */
import { BarChart } from 'echarts/charts';
import { GridComponent, MarkLineComponent, TooltipComponent } from 'echarts/components';
import { init, use, type EChartsType } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { EChartsOption } from 'echarts/types/dist/shared';
import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Histogram } from './data.js';
import { count, number, visible } from './format.js';
import { Name } from './name.js';

use([BarChart, GridComponent, MarkLineComponent, TooltipComponent, SVGRenderer]);

/** A bar: differences from 10^low up to 10^high. */
interface Bin {
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

const binsOf = ({ from, perDecade, counts }: Histogram): Bin[] => counts.map((number, i) => ({ low: from + i / perDecade, high: from + (i + 1) / perDecade, count: number }));

export function HistogramChart({ histogram }: { readonly histogram: Histogram }): VNode {
  const { name, bound, equal, notFinite } = histogram;
  const bins = binsOf(histogram);
  const drawn = bins.some((bin) => bin.count > 0);
  return (
    <figure class="chart">
      <figcaption>
        <b><Name text={name} /></b>
        <span class="quiet">bound {number(bound)}; exactly equal {count(equal)}; {notFinite > 0 ? <b class="bad-text">not finite {count(notFinite)}</b> : 'not finite 0'}</span>
      </figcaption>
      {drawn ? <Bars name={name} bound={bound} bins={bins} /> : <p class="quiet">No finite difference: {equal > 0 ? 'all other elements are equal.' : 'there is nothing to draw.'}</p>}
      {drawn && (
        <details class="numbers">
          <summary>Numbers</summary>
          <div class="scroll" tabIndex={0} role="region" aria-label="Numbers of the histogram">
            <table>
              <thead><tr><th scope="col" class="number">From</th><th scope="col" class="number">To</th><th scope="col" class="number">Elements</th></tr></thead>
              <tbody>{bins.filter((bin) => bin.count > 0).map((bin) => <tr key={bin.low}><td class="number">{number(10 ** bin.low)}</td><td class="number">{number(10 ** bin.high)}</td><td class="number">{count(bin.count)}</td></tr>)}</tbody>
            </table>
          </div>
        </details>
      )}
    </figure>
  );
}

function Bars({ name, bound, bins }: { readonly name: string; readonly bound: number; readonly bins: readonly Bin[] }): VNode {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const chart = init(place.current, null, { renderer: 'svg', height: 220 });
    chart.setOption(optionsOf(bins, bound, place.current!));
    const watch = resizing(chart, place.current!);
    return () => {
      watch.disconnect();
      chart.dispose();
    };
  }, [bins.length, bound]);
  const total = bins.reduce((sum, bin) => sum + bin.count, 0);
  const beyond = bins.filter((bin) => 10 ** bin.low >= bound).reduce((sum, bin) => sum + bin.count, 0);
  return <div class="plot" ref={place} role="img" aria-label={`Histogram of ${visible(name.slice(0, 100))}: ${count(total)} differing elements, ${count(beyond)} of them beyond the bound ${number(bound)}`} />;
}

function resizing(chart: EChartsType, place: HTMLElement): ResizeObserver {
  const watch = new ResizeObserver(() => {
    if (place.clientWidth > 0) chart.resize();
  });
  watch.observe(place);
  return watch;
}

/**
 * Colours are the page's variables: they follow its theme, on paper too. Counts reach from one to millions: their axis is logarithmic, and a single
 * element still has a bar.
 */
const FLOOR = 0.5;

function optionsOf(bins: readonly Bin[], bound: number, place: HTMLElement): EChartsOption {
  const text = { color: 'var(--quiet)', fontFamily: getComputedStyle(place).fontFamily, fontSize: 12 };
  const at = bound > 0 ? Math.log10(bound) : undefined;
  const [first, last] = [bins[0]!.low, bins.at(-1)!.high];
  const lowest = Math.floor(Math.min(first, at ?? first));
  const highest = Math.ceil(Math.max(last, (at ?? last) + 0.25));
  return {
    animation: false,
    grid: { left: 8, right: 16, top: 28, bottom: 26, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
    xAxis: {
      type: 'value',
      min: lowest,
      max: highest,
      minInterval: 1,
      name: '|got − wanted|',
      nameLocation: 'middle',
      nameGap: 26,
      nameTextStyle: text,
      axisLabel: { ...text, hideOverlap: true, formatter: (value: number) => (Number.isInteger(value) ? `1e${value}` : '') },
      axisLine: { show: true, lineStyle: { color: 'var(--line)' } },
      splitLine: { show: false },
    },
    yAxis: {
      type: 'log',
      min: FLOOR,
      name: 'elements',
      nameTextStyle: { ...text, align: 'left' },
      axisLabel: { ...text, formatter: (value: number) => (value < 1 ? '' : value < 1e6 ? count(Math.round(value)) : value.toExponential(0).replace('e+', 'e')) },
      splitLine: { lineStyle: { color: 'var(--line)' } },
    },
    tooltip: {
      trigger: 'item',
      renderMode: 'richText',
      backgroundColor: 'var(--card)',
      borderColor: 'var(--line)',
      textStyle: { ...text, color: 'var(--text)' },
      formatter: (item: unknown) => {
        const bin = bins[(item as { readonly dataIndex: number }).dataIndex];
        return bin ? `${number(10 ** bin.low)} to ${number(10 ** bin.high)}: ${count(bin.count)}` : `bound ${number(bound)}`;
      },
    },
    series: [{
      type: 'bar',
      barCategoryGap: '12%',
      data: bins.map((bin) => ({
        value: [(bin.low + bin.high) / 2, bin.count > 0 ? bin.count : null] as [number, number],
        emphasis: { disabled: true },
        itemStyle: { color: `var(--${at !== undefined && bin.low >= at ? 'bad' : 'accent'})` },
      })),
      markLine: at === undefined ? undefined : {
        symbol: 'none',
        silent: true,
        data: [{ xAxis: at }],
        lineStyle: { color: 'var(--bad)', width: 2, type: 'solid' },
        label: { ...text, color: 'var(--bad)', formatter: `bound ${number(bound)}` },
      },
    }],
  } as EChartsOption;
}
