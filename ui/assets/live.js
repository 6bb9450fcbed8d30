/* The live panel of the Train tab. It polls ui/train/live.py with a cursor, extends the curves and places
   the server's words. All text is set with textContent. Survives a reload and a restart of the app. */
window.HoneLive = function (element, props, server, trigger, watch) {
  const BUCKETS = 500; // intervals that the visible part of a curve is drawn in
  const PAUSE = { live: 1000, still: 3000, most: 8000 }; // milliseconds between polls
  const $ = (selector) => element.querySelector(selector);
  const colour = (name) => getComputedStyle(element).getPropertyValue(name).trim();
  const text = (selector, words) => { const e = $(selector); if (e.textContent !== words) e.textContent = words; };
  const make = (tag, words, kind) => {
    const e = document.createElement(tag);
    if (words !== undefined) e.textContent = words;
    if (kind) e.className = kind;
    return e;
  };

  let shown = {}, cursor, data, metric = 'loss', logScale = false, drawn = null, failures = 0, wake = null, state = null, plotly = null;
  const chart = $('.chart');

  function reset(run) {
    cursor = { run: run || '', attempt: -1, index: 0, samples: 0 };
    data = { steps: [], losses: [], smooth: [], lrs: [], speeds: [], checks: [], best: null, mean: 0, weight: 1 };
    drawn = null;
  }

  /* --- curves --- */
  function addPoints(answer) {
    const alpha = 2 / (1 + Math.min(50, Math.max(4, answer.total / 30))); // the smooth line averages over about a thirtieth of the run
    for (const [i, step] of answer.steps.entries()) {
      const loss = answer.losses[i];
      data.steps.push(step); data.losses.push(loss); data.lrs.push(answer.lrs[i]); data.speeds.push(answer.speeds[i]);
      if (loss !== null) { data.mean = (1 - alpha) * data.mean + alpha * loss; data.weight *= 1 - alpha; }
      data.smooth.push(data.weight < 1 ? data.mean / (1 - data.weight) : null);
    }
    data.checks = answer.checks; data.best = answer.best;
  }

  /* At most two points for each interval, the lowest and the highest, so that no peak is lost. */
  function thin(y, from, to, buckets, x, out) {
    const count = to - from;
    for (let part = 0; part < buckets && count > 0; part += 1) {
      const low = from + Math.floor(count * part / buckets), high = from + Math.floor(count * (part + 1) / buckets);
      if (low === high) continue;
      let least = low, most = low;
      for (let at = low + 1; at < high; at += 1) { if (y[at] < y[least]) least = at; if (y[at] > y[most]) most = at; }
      for (const at of least === most ? [least] : least < most ? [least, most] : [most, least]) { x.push(data.steps[at]); out.push(y[at]); }
    }
  }

  /* The visible part is drawn finely, the rest coarsely: a zoom shows every step once few enough are visible. */
  function points(values) {
    const x = [], y = [], count = values.length, axis = chart.layout?.xaxis;
    const zoom = axis && axis.autorange === false ? axis.range : [-Infinity, Infinity];
    let from = 0, to = count;
    while (from < count && data.steps[from] < zoom[0]) from += 1;
    while (to > from && data.steps[to - 1] > zoom[1]) to -= 1;
    from = Math.max(0, from - 1); to = Math.min(count, to + 1);
    thin(values, 0, from, BUCKETS / 4, x, y);
    thin(values, from, to, Math.min(BUCKETS, to - from), x, y);
    thin(values, to, count, BUCKETS / 4, x, y);
    const last = data.steps[count - 1];
    if (count && x[x.length - 1] !== last) { x.push(last); y.push(values[count - 1]); } // the line reaches the newest step
    return { x, y };
  }

  function traces() {
    const line = (y, name, color, width) => ({ ...points(y), name, mode: 'lines', line: { color, width }, hovertemplate: '%{y:.4g}' });
    if (metric === 'rate') return [line(data.lrs, 'learning rate', colour('--train'), 2)];
    if (metric === 'speed') return [line(data.speeds, 'tokens per second', colour('--train'), 1.5)];
    const raw = line(data.losses, 'training, each step', colour('--train-soft'), 1);
    raw.hoverinfo = 'skip'; delete raw.hovertemplate;
    return [raw, line(data.smooth, 'training', colour('--train'), 2.25), {
      x: data.checks.map((c) => c[0]), y: data.checks.map((c) => c[1]), name: 'held-out', mode: 'lines+markers', cliponaxis: false, hovertemplate: '%{y:.4f}',
      line: { color: colour('--held'), width: 2 }, marker: { size: data.checks.length > 40 ? 4 : 8, color: colour('--card'), line: { color: colour('--held'), width: 2 } },
    }, bestMark()];
  }

  function bestMark() {
    const best = data.checks.find((c) => c[0] === data.best);
    return { x: best ? [best[0]] : [], y: best ? [best[1]] : [], name: 'best', mode: 'markers+text', cliponaxis: false, text: ['best'], textposition: 'top center', hoverinfo: 'skip',
      textfont: { color: colour('--held'), size: 13 }, marker: { size: 12, symbol: 'star', color: colour('--held') } };
  }

  function layout() {
    const axis = { gridcolor: colour('--line'), zeroline: false, linecolor: colour('--line'), tickfont: { color: colour('--muted') }, automargin: true, fixedrange: false };
    return {
      margin: { l: 44, r: 14, t: 14, b: 40 }, height: 320, showlegend: false, hovermode: 'x unified', dragmode: 'zoom', uirevision: cursor.run + metric + logScale,
      paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', font: { family: getComputedStyle(element).fontFamily, size: 12.5, color: colour('--text') },
      hoverlabel: { bgcolor: colour('--card'), bordercolor: colour('--line'), font: { color: colour('--text') } },
      xaxis: { ...axis, showgrid: false, title: { text: 'step', font: { color: colour('--muted') } }, rangemode: 'tozero' },
      yaxis: { ...axis, type: logScale ? 'log' : 'linear', ...(metric === 'rate' ? { tickformat: '.1e' } : {}) },
    };
  }

  async function draw() {
    const ready = data.steps.length > 0 || data.checks.length > 0;
    $('.chart-empty').hidden = ready; chart.hidden = !ready;
    if (!ready || !element.offsetParent) return;
    plotly = await loadPlotly();
    if (!plotly) return;
    drawn = [data.steps.length, data.checks.length, data.best].join();
    await plotly.react(chart, traces(), layout(), { displayModeBar: false, responsive: false });
    if (!chart.dataset.listens) { chart.dataset.listens = '1'; chart.on('plotly_relayout', zoomed); }
  }

  /* Draws new points; the zoom stays (uirevision), and a long run costs no more than a short one (points). */
  function drawNew() {
    if (drawn !== [data.steps.length, data.checks.length, data.best].join()) return draw();
  }

  function zoomed() {
    const axes = chart.layout;
    $('.whole').hidden = axes.xaxis.autorange !== false && axes.yaxis.autorange !== false;
    if (data.steps.length > 2 * BUCKETS) draw();
  }

  /* Kept apart from window.Plotly, where another script may put a copy that knows nothing of this chart. */
  function loadPlotly() {
    window.HonePlotly ||= new Promise((done) => {
      const script = document.createElement('script');
      script.src = window.HONE_PLOTLY; script.onload = () => done(window.Plotly); script.onerror = () => done(null);
      document.head.appendChild(script);
    });
    return window.HonePlotly;
  }

  /* --- words --- */
  function showAnswer(answer) {
    $('.live').dataset.empty = String(!answer.state);
    if (!answer.state) {
      const words = answer.problem ? ['bad', 'This cannot be shown now', answer.problem]
        : ['info', 'Ready when you are', 'Press Start. The default settings work well. The time it will take is shown below the button.'];
      return showStatus(...words);
    }
    const said = answer.sentence;
    showStatus(said.tone, said.title, said.text, said.evidence, said.action);
    text('.run-name', answer.name); text('.run-state', answer.label); $('.run-state').dataset.state = answer.state;
    const now = answer.progress;
    text('.percent', now.percent + ' %'); text('.figures .step', now.step); text('.figures .epoch', now.epoch);
    text('.elapsed', now.elapsed); text('.left', now.left);
    $('.bar').setAttribute('aria-valuenow', now.percent); $('.bar i').style.width = now.percent + '%';
    for (const [name, [value, note]] of Object.entries(answer.tiles)) { text(`[data-tile=${name}] b`, value); text(`[data-tile=${name}] small`, note); }
    fill('.run-buttons', answer.buttons, ([event, label]) => button(event, label));
    fill('.warnings', answer.warnings, (words) => make('li', words)); $('.warnings').hidden = !answer.warnings.length;
    fill('.outcome tbody', answer.outcome, outcome); $('.outcome').hidden = !answer.outcome.length;
    if (answer.settings) fill('.settings', answer.settings, setting);
    if (answer.caution !== undefined) { text('.caution', answer.caution); $('.caution').hidden = !answer.caution; }
    if (answer.samples) fill('.samples', answer.samples, sample, 'The first replies come with the first check.');
    if (answer.log !== undefined) text('.log pre', answer.log || 'The log is empty.');
  }

  function showStatus(tone, title, words, evidence, action) {
    $('.status').dataset.tone = tone;
    for (const [part, value] of Object.entries({ title, text: words, evidence, action })) {
      text('.status-' + part, value || ''); $('.status-' + part).hidden = !value;
    }
  }

  /* Rebuilds a list only when its content changed, so that focus and selection stay. */
  function fill(selector, items, build, empty) {
    const host = $(selector), mark = JSON.stringify(items);
    if (shown[selector] === mark) return;
    shown[selector] = mark;
    host.replaceChildren(...items.map(build));
    if (!items.length && empty) host.append(make('p', empty, 'line'));
  }

  function button(event, label) {
    const e = make('button', label, 'act'); e.type = 'button'; e.dataset.act = event;
    e.addEventListener('click', () => { for (const b of $('.run-buttons').children) b.disabled = true; trigger(event); setTimeout(() => { shown['.run-buttons'] = null; pollNow(); }, 400); });
    return e;
  }

  function setting([label, value, note]) {
    const e = make('div'), d = make('dd', value);
    if (note) d.append(make('small', note));
    e.append(make('dt', label), d);
    return e;
  }

  function outcome([what, expected, real, good]) {
    const e = make('tr'), head = make('th', what), last = make('td', real); head.scope = 'row'; last.dataset.good = good;
    e.append(head, make('td', expected), last);
    return e;
  }

  function sample({ prompt, replies }) {
    const e = make('article', undefined, 'sample'), pair = make('div', undefined, 'pair'), last = replies[replies.length - 1];
    e.append(make('p', prompt, 'prompt'), pair); pair.append(reply(replies[0]));
    if (replies.length > 1) pair.append(reply(last, 'now'));
    if (replies.length > 2) {
      const between = make('details'); between.append(make('summary', `${replies.length - 2} in between`));
      for (const one of replies.slice(1, -1)) between.append(reply(one));
      e.append(between);
    }
    return e;
  }

  function reply({ when, text: words }, kind) {
    const e = make('div', undefined, 'reply ' + (kind || '')); e.append(make('h4', when), make('p', words || '(an empty reply)'));
    return e;
  }

  function loads(items) {
    fill('.loads', items, ([label, words, percent]) => {
      const e = make('div', undefined, 'load'), meter = make('div', undefined, 'meter'), bar = make('i');
      bar.style.width = Math.min(100, percent) + '%'; meter.dataset.hot = percent > 90; meter.append(bar); meter.setAttribute('aria-hidden', 'true');
      e.append(make('span', label), make('b', words), meter);
      return e;
    });
  }

  /* --- the loop --- */
  async function poll() {
    if ($('.log').open) cursor.log = true; else delete cursor.log;
    const asked = cursor, answer = await server.poll_run({ ...cursor });
    if (asked !== cursor) return { more: true }; // another run was opened before this answer arrived
    if (answer.load) loads(answer.load);
    if (!answer.run) { if (cursor.attempt >= 0) reset(); showAnswer(answer); draw(); return answer; }
    if (answer.from !== data.steps.length || answer.run !== cursor.run || answer.attempt !== cursor.attempt) { const fresh = cursor.run !== answer.run; reset(answer.run); if (answer.from) return { more: true }; if (fresh) shown = {}; }
    if (props.value !== answer.run) props.value = answer.run; // so that buttons and other tabs know which run is shown
    Object.assign(cursor, { attempt: answer.attempt, index: answer.next, samples: answer.sampled ?? cursor.samples });
    addPoints(answer); showAnswer(answer);
    if (!answer.more) drawNew();
    const before = state; state = answer.state;
    if (state !== before && (answer.live || before !== null)) trigger('live_change'); // it is queued, runs or has ended
    return answer;
  }

  async function loop() {
    while (element.isConnected) {
      let pause = PAUSE.still;
      if (!document.hidden && element.offsetParent) {
        try {
          const answer = await poll();
          pause = answer.more ? 0 : answer.live ? PAUSE.live : PAUSE.still;
          failures = 0; $('.offline').hidden = true;
        } catch (error) {
          failures += 1; $('.offline').hidden = failures < 2; pause = Math.min(PAUSE.most, 1000 * failures);
        }
      } else pause = 500;
      await new Promise((done) => { wake = done; setTimeout(done, pause); });
    }
  }
  function pollNow() { if (wake) wake(); }

  $('.whole').addEventListener('click', () => plotly.relayout(chart, { 'xaxis.autorange': true, 'yaxis.autorange': true }));
  $('.log-scale').addEventListener('click', (e) => { logScale = !logScale; e.currentTarget.setAttribute('aria-pressed', logScale); draw(); });
  for (const b of element.querySelectorAll('[data-metric]')) b.addEventListener('click', () => {
    metric = b.dataset.metric;
    for (const other of element.querySelectorAll('[data-metric]')) other.setAttribute('aria-pressed', other === b);
    for (const key of element.querySelectorAll('[data-for]')) key.hidden = key.dataset.for !== metric;
    chart.setAttribute('aria-label', b.textContent + ' by step'); draw();
  });
  $('.log').addEventListener('toggle', pollNow);
  $('.copy').addEventListener('click', async (e) => { await navigator.clipboard.writeText($('.log pre').textContent); e.target.textContent = 'Copied'; });
  watch('value', () => { if (props.value !== cursor.run) { reset(props.value); shown = {}; } pollNow(); });
  new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ['class'] });
  new ResizeObserver(() => { if (!element.offsetParent) return; if (drawn) plotly.Plots.resize(chart); else draw(); }).observe(chart.parentElement);

  let seen = false;
  new ResizeObserver(() => { // polls at once when the tab is opened
    const visible = Boolean(element.offsetParent);
    if (visible && !seen) pollNow();
    seen = visible;
  }).observe(element);

  reset(props.value);
  setTimeout(plotly, 1500); // loaded before the tab is opened, but after the page
  loop();
};
