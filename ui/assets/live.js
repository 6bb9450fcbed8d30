/* The live panel of the Train tab. When the push channel says that its run has changed, it asks ui/train/live.py with a
   cursor for what is new, extends the curves and places the server's words. All text is set with textContent. */
window.HoneLive = function (element, props, server, trigger, watch) {
  const $ = (selector) => element.querySelector(selector);
  const text = (selector, words) => { const e = $(selector); if (e.textContent !== words) e.textContent = words; };
  const hideEmpty = (selector, words) => { text(selector, words || ''); $(selector).hidden = !words; };
  const make = (tag, words, kind) => {
    const e = document.createElement(tag);
    if (words !== undefined) e.textContent = words;
    if (kind) e.className = kind;
    return e;
  };
  const curve = window.HoneCurve(element);
  let shown = {}, cursor, state = null, live = false, asking = false, again = false, samples = [], question = 0, name = '', keptStep = null, pressed = false;

  function reset(run) {
    cursor = { run: run || '', attempt: -1, index: 0, samples: 0 };
    curve.reset(run);
  }

  /* --- words --- */
  function showAnswer(answer) {
    $('.live').dataset.empty = String(!answer.state);
    if (answer.state) window.HoneHintsDone();
    const place = element.closest('.train');
    if (place) place.dataset.shown = answer.state ? (answer.live ? 'live' : 'done') : 'none';
    if (!answer.state) {
      const words = answer.problem ? ['bad', 'This cannot be shown now', answer.problem]
        : ['info', 'Nothing has been trained yet', 'The card with the Start button says what would be trained, and what is missing for it.'];
      return showStatus(...words);
    }
    const said = answer.sentence, now = answer.progress;
    // Of which run: the next one may be prepared on the same page.
    showStatus(said.tone, answer.live ? said.title : `${said.title}: ${answer.name}`, said.text, said.evidence, said.action);
    name = answer.name;
    text('.run-name', answer.name); text('.run-state', answer.label); Object.assign($('.run-state').dataset, { state: answer.state, worse: answer.worse }); hideEmpty('.run-about', answer.about);
    text('.percent', now.percent + ' %');
    for (const part of ['step', 'epoch', 'elapsed', 'left']) hideEmpty('.figures .' + part, now[part]);
    $('.bar').setAttribute('aria-valuenow', now.percent); $('.bar i').style.width = now.percent + '%';
    for (const tile of element.querySelectorAll('[data-tile]')) {
      const [value, note] = answer.tiles[tile.dataset.tile] || [];
      tile.hidden = value === undefined;
      text(`[data-tile=${tile.dataset.tile}] b`, value || ''); text(`[data-tile=${tile.dataset.tile}] small`, note || '');
    }
    fill('.stages', answer.stages || [], stage); $('.stages').hidden = !(answer.stages || []).length;
    fill('.run-buttons', answer.buttons, button);
    fill('.warnings', answer.warnings, (words) => make('li', words)); $('.warnings').hidden = !answer.warnings.length;
    fill('.outcome tbody', answer.outcome, outcome); $('.outcome').hidden = !answer.outcome.length;
    if (answer.settings) fill('.settings', answer.settings, setting);
    if (answer.caution !== undefined) hideEmpty('.caution', answer.caution);
    keptStep = answer.live ? null : answer.best;
    if (answer.samples) showSamples(answer.samples); else if (samples.length) showQuestion();
    if (answer.log !== undefined) text('.log pre', answer.log || 'The log is empty.');
    $('.machine').hidden = !answer.load;
    if (answer.load) fill('.loads', answer.load, load);
    const [otherId, otherName] = answer.other || [];
    $('.other').hidden = !otherId;
    if (otherId) { text('.other span', `“${otherName}” is at work.`); $('.other button').dataset.run = otherId; }
    $('.notify').hidden = !answer.live || !window.Notification || Notification.permission !== 'default';
  }

  function showStatus(tone, title, words, evidence, action) {
    $('.status').dataset.tone = tone;
    for (const [part, value] of Object.entries({ title, text: words, evidence, action })) hideEmpty('.status-' + part, value);
  }

  /* Rebuilds a list only when its content changed, so that focus and selection stay. */
  function fill(selector, items, build) {
    const host = $(selector), mark = JSON.stringify(items);
    if (shown[selector] === mark) return;
    shown[selector] = mark;
    host.replaceChildren(...items.map(build));
  }

  function button([event, label, about]) {
    const e = make('button', undefined, 'act'); e.type = 'button'; e.dataset.act = event;
    e.append(make('b', label), make('small', about));
    e.addEventListener('click', () => { for (const b of $('.run-buttons').children) b.disabled = true; trigger(event); setTimeout(() => { shown['.run-buttons'] = null; ask(); }, 400); });
    return e;
  }

  function stage([label, when, note]) { const e = make('li', label); e.dataset.when = when; if (note) e.append(make('small', note)); return e; }

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

  function load([label, words, percent]) {
    const e = make('div', undefined, 'load'), meter = make('div', undefined, 'meter'), bar = make('i');
    bar.style.width = Math.min(100, percent) + '%'; meter.dataset.hot = percent > 90; meter.append(bar); meter.setAttribute('aria-hidden', 'true');
    e.append(make('span', label), make('b', words), meter);
    return e;
  }

  /* --- what the model says: one question at a time, before beside now --- */
  function showSamples(found) {
    samples = found;
    if (question >= samples.length) question = 0;
    $('.hero').hidden = !samples.length;
    fill('.prompts', samples.length > 1 ? samples.map((_, i) => i) : [], (i) => {
      const e = make('button', String(i + 1), 'mini'); e.type = 'button'; e.setAttribute('aria-label', `Question ${i + 1}`);
      e.addEventListener('click', () => { question = i; showQuestion(); });
      return e;
    });
    if (samples.length) showQuestion();
  }

  function showQuestion() {
    const { prompt, replies } = samples[question], first = replies[0];
    // Once it has ended, what counts is the version that is kept: Compare and Export have that one.
    const kept = keptStep === null ? undefined : replies.slice(1).find((one) => one.step === keptStep);
    const last = kept || replies[replies.length - 1];
    for (const [i, e] of [...$('.prompts').children].entries()) e.setAttribute('aria-pressed', i === question);
    text('.prompt', prompt); text('.before', first.text || '(an empty reply)');
    text('.when', replies.length > 1 ? last.when + (kept ? ', kept' : '') : 'Now');
    text('.after', replies.length > 1 ? last.text || '(an empty reply)' : 'Not checked yet.');
    const between = replies.slice(1).filter((one) => one !== last);
    $('.between').hidden = !between.length; text('.between summary', `${between.length} at other steps`);
    fill('.between div', between, ({ when, text: words }) => { const e = make('div', undefined, 'reply'); e.append(make('h4', when), make('p', words || '(an empty reply)')); return e; });
  }

  /* --- asking --- */
  async function poll() {
    if ($('.log').open) cursor.log = true; else delete cursor.log;
    const asked = cursor, answer = await server.poll_run({ ...cursor });
    if (asked !== cursor) return true; // another run was opened before this answer arrived
    if (!answer.run) { if (cursor.attempt >= 0) reset(); showAnswer(answer); curve.draw(); return false; }
    if (answer.from !== curve.count() || answer.run !== cursor.run || answer.attempt !== cursor.attempt) {
      const fresh = cursor.run !== answer.run;
      reset(answer.run);
      if (answer.from) return true;
      if (fresh) { shown = {}; question = 0; }
    }
    if (props.value !== answer.run) props.value = answer.run; // so that buttons and other tabs know which run is shown
    Object.assign(cursor, { attempt: answer.attempt, index: answer.next, samples: answer.sampled ?? cursor.samples });
    curve.add(answer); showAnswer(answer);
    if (pressed && answer.live) { pressed = false; if (matchMedia('(max-width: 860px)').matches) window.scrollTo({ top: 0 }); }
    if (!answer.more) curve.drawNew();
    const before = state, wasLive = live;
    state = answer.state; live = answer.live;
    if (wasLive && !live && before !== null) tellEnd(answer.label);
    if (state !== before && (live || before !== null)) trigger('live_change'); // it is queued, runs or has ended
    return answer.more;
  }

  /* One question at a time; what changes meanwhile is asked for afterwards. */
  async function ask() {
    if (asking) { again = true; return; }
    asking = true;
    do {
      again = false;
      try { while (await poll()); } catch { break; } // the push channel tells when the app is there again
    } while (again);
    asking = false;
  }

  const visible = () => !document.hidden && Boolean(element.offsetParent);

  /* --- the end of a run, for whoever looks elsewhere --- */
  const title = document.title;
  function tellEnd(label) {
    if (visible() && document.hasFocus()) return;
    document.title = `${label}: ${name} · ${title}`;
    if (window.Notification && Notification.permission === 'granted') new Notification(`${name}: ${label.toLowerCase()}`, { body: $('.status-text').textContent, tag: cursor.run });
  }
  const seenEnd = () => { if (!document.hidden) document.title = title; };
  window.addEventListener('focus', seenEnd); document.addEventListener('visibilitychange', seenEnd);
  $('.notify').addEventListener('click', async () => { await Notification.requestPermission(); $('.notify').hidden = true; });

  $('.other button').addEventListener('click', (e) => { reset(e.target.dataset.run); shown = {}; question = 0; state = null; ask(); });
  $('.log').addEventListener('toggle', ask);
  document.addEventListener('click', (e) => { pressed ||= Boolean(e.target.closest('#start')); }); // on a phone what happens is far above
  $('.to-start').addEventListener('click', () => document.querySelector('#start-card').scrollIntoView({ behavior: 'smooth' }));
  $('.copy').addEventListener('click', async (e) => { await navigator.clipboard.writeText($('.log pre').textContent); e.target.textContent = 'Copied'; });
  watch('value', () => { if (props.value !== cursor.run) { reset(props.value); shown = {}; question = 0; state = null; } ask(); });

  window.HonePush.listen((changed) => {
    if (changed.has('*') || changed.has('runs') || (visible() && changed.has('run ' + cursor.run))) ask();
  });
  window.HonePush.watchConnection((down) => { $('.offline').hidden = !down; });
  let seen = false;
  new ResizeObserver(() => { // asks at once when the tab is opened
    const now = Boolean(element.offsetParent);
    if (now && !seen) ask();
    seen = now;
  }).observe(element);
  document.addEventListener('visibilitychange', () => { if (visible()) ask(); });

  reset(props.value);
  setTimeout(ask, 2000); // also where the tab is not open: a run may be at work
};
