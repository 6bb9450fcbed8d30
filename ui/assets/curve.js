/* The curves of a run, drawn by Plotly: a long run costs no more than a short one, and a zoom survives new points. */
window.HoneCurve = function (element) {
  const BUCKETS = 500; // intervals that the visible part of a curve is drawn in
  const MANY_CHECKS = 40; // more have small markers
  const chart = element.querySelector('.chart'), whole = element.querySelector('.whole');
  const colour = (name) => getComputedStyle(element).getPropertyValue(name).trim();
  let data, metric = 'loss', logScale = false, drawn = null, plotly = null, run = '';

  function reset(id) {
    run = id || '';
    data = { steps: [], losses: [], smooth: [], lrs: [], speeds: [], checks: [], best: null, mean: 0, weight: 1 };
    drawn = null;
  }

  function add(answer) {
    const alpha = 2 / (1 + Math.min(20, Math.max(3, answer.total / 60))); // averages over about a sixtieth of the run
    for (const [i, step] of answer.steps.entries()) {
      const loss = answer.losses[i];
      data.steps.push(step); data.losses.push(loss); data.lrs.push(answer.lrs[i]); data.speeds.push(answer.speeds[i]);
      if (loss !== null) { data.mean = (1 - alpha) * data.mean + alpha * loss; data.weight *= 1 - alpha; }
      data.smooth.push(data.weight < 1 ? data.mean / (1 - data.weight) : null);
    }
    data.checks = answer.checks; data.best = answer.best;
  }

  /* At most two points for each interval, the lowest and the highest, so that no peak is lost. */
  function thin(y, from, to, buckets, picked) {
    const count = to - from;
    for (let part = 0; part < buckets && count > 0; part += 1) {
      const low = from + Math.floor(count * part / buckets), high = from + Math.floor(count * (part + 1) / buckets);
      if (low === high) continue;
      let least = low, most = low;
      for (let at = low + 1; at < high; at += 1) { if (y[at] < y[least]) least = at; if (y[at] > y[most]) most = at; }
      if (least === most) picked.push(least); else picked.push(Math.min(least, most), Math.max(least, most));
    }
  }

  /* The visible part is drawn finely, the rest coarsely: a zoom shows every step once few enough are visible. */
  function indices(values) {
    const picked = [], count = values.length, zoom = zoomed() || [-Infinity, Infinity];
    let from = 0, to = count;
    while (from < count && data.steps[from] < zoom[0]) from += 1;
    while (to > from && data.steps[to - 1] > zoom[1]) to -= 1;
    from = Math.max(0, from - 1); to = Math.min(count, to + 1);
    thin(values, 0, from, BUCKETS / 4, picked);
    thin(values, from, to, Math.min(BUCKETS, to - from), picked);
    thin(values, to, count, BUCKETS / 4, picked);
    if (count) picked.push(count - 1); // the line reaches the newest step
    const checked = new Set(data.checks.map((c) => c[0]));
    data.steps.forEach((step, at) => { if (checked.has(step)) picked.push(at); }); // the hover tells its held-out value
    return [...new Set(picked)].sort((a, b) => a - b);
  }

  const zoomed = () => { const axis = chart.layout?.xaxis; return axis && axis.autorange === false ? axis.range : null; };

  function line(values, name, color, width, more = {}) {
    const picked = indices(values);
    return { x: picked.map((i) => data.steps[i]), y: picked.map((i) => values[i]), name, mode: 'lines', line: { color, width }, hovertemplate: '%{y:.4g}', ...more };
  }

  function traces() {
    if (metric === 'rate') return [line(data.lrs, 'learning rate', colour('--train'), 2)];
    if (metric === 'speed') return [line(data.speeds, 'tokens per second', colour('--train'), 1.5)];
    if (metric === 'right') return [checked(data.checks.filter((c) => c[2] !== null).map((c) => [c[0], 100 * c[2]]), 'right answers', '%{y:.0f} %')];
    const raw = line(data.losses, 'this step', colour('--train-soft'), 1), held = new Map(data.checks.filter((c) => c[1] !== null));
    raw.text = raw.x.map((step) => held.has(step) ? `<br>held-out : ${held.get(step).toFixed(4)}` : '');
    raw.hovertemplate = '%{y:.4g}%{text}';
    // Plotly would tell the value of the nearest check beside steps where nothing was measured.
    return [line(data.smooth, 'training, smoothed', colour('--train'), 2.25), raw, { ...checked(data.checks, 'held-out'), hoverinfo: 'skip' }, bestMark()];
  }

  /* Between two checks nothing is known, so the line is dotted. */
  function checked(points, name, hovertemplate) {
    const held = colour('--held');
    return { x: points.map((c) => c[0]), y: points.map((c) => c[1]), name, hovertemplate, mode: 'lines+markers', cliponaxis: false, line: { color: held, width: 1.5, dash: 'dot' },
      marker: { size: points.length > MANY_CHECKS ? 4 : 8, color: colour('--card'), line: { color: held, width: 2 } } };
  }

  function bestMark() {
    const best = data.checks.find((c) => c[0] === data.best), before = data.checks.find((c) => c[0] === 0);
    const word = best && before && best[1] >= before[1] ? 'kept' : 'best'; // no version is better than the start
    return { x: best ? [best[0]] : [], y: best ? [best[1]] : [], name: word, mode: 'markers+text', cliponaxis: false, text: [word], textposition: 'top center', hoverinfo: 'skip',
      textfont: { color: colour('--held'), size: 13 }, marker: { size: 12, symbol: 'star', color: colour('--held') } };
  }

  function layout(drawnTraces) {
    const axis = { gridcolor: colour('--line'), zeroline: false, linecolor: colour('--line'), tickfont: { color: colour('--muted') }, automargin: true };
    const words = { color: colour('--muted') };
    return {
      margin: { l: 44, r: 14, t: 14, b: 40 }, height: 320, showlegend: false, hovermode: 'x unified', dragmode: 'zoom', uirevision: run + metric,
      paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', font: { family: getComputedStyle(element).fontFamily, size: 12.5, color: colour('--text') },
      hoverlabel: { bgcolor: colour('--card'), bordercolor: colour('--line'), font: { color: colour('--text') } },
      xaxis: { ...axis, showgrid: false, title: { text: 'step', font: words }, rangemode: 'tozero', unifiedhovertitle: { text: 'Step %{x}' } },
      yaxis: { ...axis, ...heights(drawnTraces), fixedrange: true },
    };
  }

  /* What the zoom shows decides the height of the chart. */
  function heights(drawnTraces) {
    const [low, high] = zoomed() || [-Infinity, Infinity], seen = [];
    for (const one of drawnTraces) one.x.forEach((x, i) => { if (x >= low && x <= high && one.y[i] !== null) seen.push(one.y[i]); });
    let least = Math.min(...seen), most = Math.max(...seen);
    if (!seen.length) return {};
    if (logScale && least > 0) {
      const decades = Math.log10(most / least);
      const range = [Math.log10(least) - .05 * decades - .01, Math.log10(most) + .08 * decades + .01];
      if (decades > 2.5) return { type: 'log', range, dtick: 1 };
      const ticks = [...new Set([0, 1, 2, 3, 4].map((i) => Number((least * (most / least) ** (i / 4)).toPrecision(decades > .3 ? 2 : 3))))];
      return { type: 'log', range, tickvals: ticks, ticktext: ticks.map(String) };
    }
    if (metric !== 'loss' || !zoomed()) least = Math.min(least, 0);
    if (metric === 'right') most = 100;
    const room = .08 * (most - least) || .1 * Math.abs(most) || 1;
    return { type: 'linear', range: [least - (least === 0 ? 0 : room), most + room], ...(metric === 'rate' ? { tickformat: '.2~g' } : {}) };
  }

  async function draw() {
    const ready = data.steps.length > 0 || data.checks.length > 0;
    element.querySelector('.chart-empty').hidden = ready; chart.hidden = !ready;
    const right = element.querySelector('[data-metric=right]');
    right.hidden = !data.checks.some((c) => c[2] !== null);
    if (right.hidden && metric === 'right') return choose('loss'); // of a run before, which had it
    if (!ready || !element.offsetParent) return;
    plotly = await loadPlotly();
    if (!plotly) return;
    drawn = [data.steps.length, data.checks.length, data.best].join();
    const shown = traces();
    await plotly.react(chart, shown, layout(shown), { displayModeBar: false, responsive: false });
    if (!chart.dataset.listens) { chart.dataset.listens = '1'; chart.on('plotly_relayout', (change) => { if (Object.keys(change).some((key) => key.startsWith('xaxis'))) follow(); }); }
  }

  function follow() { whole.hidden = !zoomed(); draw(); }

  /* Draws new points only. */
  function drawNew() { if (drawn !== [data.steps.length, data.checks.length, data.best].join()) return draw(); }

  /* Kept apart from window.Plotly, where another script may put a copy that knows nothing of this chart. */
  function loadPlotly() {
    window.HonePlotly ||= new Promise((done) => {
      const script = document.createElement('script');
      script.src = window.HONE_PLOTLY; script.onload = () => done(window.Plotly); script.onerror = () => done(null);
      document.head.appendChild(script);
    });
    return window.HonePlotly;
  }

  whole.addEventListener('click', () => plotly.relayout(chart, { 'xaxis.autorange': true }));
  element.querySelector('.log-scale').addEventListener('click', (e) => { logScale = !logScale; e.currentTarget.setAttribute('aria-pressed', logScale); draw(); });
  function choose(name) {
    metric = name;
    for (const button of element.querySelectorAll('[data-metric]')) {
      button.setAttribute('aria-pressed', button.dataset.metric === name);
      if (button.dataset.metric === name) chart.setAttribute('aria-label', button.textContent + ' by step');
    }
    for (const key of element.querySelectorAll('[data-for]')) key.hidden = key.dataset.for !== name;
    return draw();
  }
  for (const button of element.querySelectorAll('[data-metric]')) button.addEventListener('click', () => choose(button.dataset.metric));
  new MutationObserver(() => { drawn = null; draw(); }).observe(document.body, { attributes: true, attributeFilter: ['class'] });
  new ResizeObserver(() => { if (!element.offsetParent) return; if (drawn) plotly.Plots.resize(chart); else draw(); }).observe(chart.parentElement);

  reset('');
  setTimeout(loadPlotly, 1500); // before the tab is opened, but after the page
  return { reset, add, draw, drawNew, count: () => data.steps.length };
};
