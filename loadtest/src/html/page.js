// One cursor for all charts over time: pointed at with a mouse, or moved with the arrow keys.
'use strict';

const all = document.querySelector('.timelines');
const moments = all.dataset.moments.split(' ').filter(Boolean).map(Number);
const [end, left, right] = [all.dataset.end, all.dataset.left, all.dataset.right].map(Number);

const digits = (value) => (Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
const shown = (value) => (Number.isInteger(value) ? value.toLocaleString('en') : value.toFixed(digits(value)));
const delay = (us) =>
  us >= 1e6 ? `${(us / 1e6).toFixed(digits(us / 1e6))} s`
  : us >= 1e3 ? `${(us / 1e3).toFixed(digits(us / 1e3))} ms`
  : `${us.toFixed(0)} µs`;
const write = {
  delay,
  seconds: (s) => delay(s * 1e6),
  memory: (kib) =>
    kib >= 1048576 ? `${shown(kib / 1048576)} GiB` : kib >= 1024 ? `${(kib / 1024).toFixed(1)} MiB` : `${shown(kib)} KiB`,
  'per-second': (value) => `${shown(value)} /s`,
  cores: (value) => `${value.toFixed(2)} cores`,
  plain: shown,
};
const clock = (at) => {
  const s = Math.round(at);
  const two = (n) => String(n).padStart(2, '0');
  if (end <= 300) return `${s} s`;
  if (end <= 7200) return `${Math.floor(s / 60)}:${two(s % 60)}`;
  return `${Math.floor(s / 3600)}:${two(Math.floor((s % 3600) / 60))} h`;
};

const charts = [...all.querySelectorAll('.chart')].map((figure) => {
  const moment = document.createElement('span');
  moment.className = 'moment';
  figure.querySelector('figcaption').append(moment);
  return {
    moment,
    plot: figure.querySelector('.plot'),
    svg: figure.querySelector('svg'),
    cursor: figure.querySelector('.cursor'),
    write: write[figure.dataset.unit],
    lines: [...figure.querySelectorAll('.legend li')].map((li) => ({
      name: li.textContent.trim(),
      output: li.querySelector('output'),
      values: li.dataset.values.split(' ').map((value) => (value === '' ? null : Number(value))),
    })),
  };
});

let at = null;

function point(next) {
  at = next === null ? null : Math.max(0, Math.min(moments.length - 1, next));
  all.classList.toggle('pointed', at !== null);
  for (const chart of charts) {
    chart.moment.textContent = at === null ? '' : `at ${clock(moments[at])}`;
    for (const line of chart.lines) {
      const value = at === null ? null : line.values[at];
      line.output.textContent = at === null ? '' : value === null ? '–' : chart.write(value);
    }
    if (at === null) continue;
    const x = chart.svg.viewBox.baseVal.width * (left + (moments[at] / end) * (right - left));
    chart.cursor.setAttribute('x1', x);
    chart.cursor.setAttribute('x2', x);
    chart.plot.setAttribute('aria-valuenow', moments[at]);
    const said = chart.lines.map((line) => `${line.name} ${line.output.textContent}`);
    chart.plot.setAttribute('aria-valuetext', `at ${clock(moments[at])}: ${said.join(', ')}`);
  }
}

/** The point nearest to a share of a chart's width. */
function nearest(share) {
  const wanted = ((share - left) / (right - left)) * end;
  let low = 0;
  for (let high = moments.length - 1; low < high; ) {
    const middle = (low + high) >> 1;
    if (moments[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low > 0 && wanted - moments[low - 1] < moments[low] - wanted ? low - 1 : low;
}

for (const { plot, svg } of charts) {
  plot.tabIndex = 0;
  plot.setAttribute('role', 'slider');
  plot.setAttribute('aria-label', svg.getAttribute('aria-label'));
  plot.setAttribute('aria-valuemin', 0);
  plot.setAttribute('aria-valuemax', end);
  plot.setAttribute('aria-valuenow', 0);
  svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    point(nearest((event.clientX - box.left) / box.width));
  });
  svg.addEventListener('pointerleave', () => point(null));
  plot.addEventListener('keydown', (event) => {
    const page = Math.max(1, Math.round(moments.length / 10));
    const from = at ?? 0;
    const to = {
      ArrowLeft: from - 1, ArrowRight: from + 1, PageDown: from - page, PageUp: from + page,
      Home: 0, End: moments.length - 1, Escape: null,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    point(to);
  });
}
