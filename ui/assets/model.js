/* The Model tab: lists whose cards are buttons, and one block of the model drawn as boxes that can be pressed.
   All text of the drawing is set with textContent; the server decides what is pressed. */
(function () {
  const make = (tag, kind, words) => {
    const e = document.createElement(tag);
    if (kind) e.className = kind;
    if (words !== undefined) e.textContent = words;
    return e;
  };

  /* Buttons with data-do trigger that event with their name. A list that is drawn anew keeps focus and choice. */
  window.HoneButtonList = function (element, trigger, watch) {
    let focused = null, chosen = null;
    const find = (key) => [...element.querySelectorAll('[data-key]')].find((e) => e.dataset.key === key);
    const mark = () => { for (const e of element.querySelectorAll('.pick')) e.dataset.chosen = String(e.dataset.key === chosen); };
    element.addEventListener('focusin', (e) => { focused = e.target.closest('[data-key]')?.dataset.key ?? null; });
    element.addEventListener('focusout', (e) => { if (e.relatedTarget) focused = null; });
    element.addEventListener('click', (e) => {
      const button = e.target.closest('[data-do]');
      if (!button) return;
      if (button.dataset.do === 'choose') {
        chosen = button.dataset.key; mark();
        const page = document.querySelector('#model-page'), side = document.querySelector('.page.model > .side');
        if (page && side && page.getBoundingClientRect().top >= side.getBoundingClientRect().bottom - 1) page.scrollIntoView({ block: 'start' });
      }
      trigger(button.dataset.do, { name: button.dataset.name });
    });
    watch('value', () => {
      mark();
      if (focused && document.activeElement === document.body) find(focused)?.focus({ preventScroll: true });
    });
  };

  /* The drawing. It is built once for a model; after that only what changed is set, so that the focus stays. */
  window.HoneLayerDiagram = function (element, props, trigger, watch) {
    let built = '';

    function box(part) {
      const e = make('button', 'part');
      e.type = 'button'; e.dataset.path = part.path; e.title = part.path;
      const head = make('span', 'part-head'), tick = make('i', 'tick');
      tick.setAttribute('aria-hidden', 'true');
      head.append(tick, make('b', '', part.name));
      e.append(head, make('span', 'part-word', part.word), make('span', 'part-shape', part.shape), make('small', 'part-where', part.where), make('small', 'part-adapter'));
      e.addEventListener('click', () => { e.setAttribute('aria-pressed', e.getAttribute('aria-pressed') !== 'true'); trigger('toggle_part', { name: part.name }); });
      return e;
    }

    function column(data) {
      const e = make('section', 'column-of-block');
      const head = make('h4', '', data.title);
      e.append(head);
      if (data.note) e.append(make('p', 'column-note', data.note));
      for (const step of data.steps) {
        const row = make('div', 'step');
        row.setAttribute('role', 'group'); row.setAttribute('aria-label', data.title);
        for (const part of step.boxes) row.append(box(part));
        if (step.boxes.length) e.append(row);
        if (step.then) e.append(arrow(), make('p', 'without', step.then), arrow());
      }
      if (data.closed) { const closed = make('div', 'closed'); closed.append(make('b', '', 'Experts'), make('small', '', data.closed)); e.append(closed); }
      return e;
    }

    function arrow(kind) {
      const e = make('span', 'arrow ' + (kind || ''));
      e.setAttribute('aria-hidden', 'true');
      return e;
    }

    function build(data) {
      const host = element.querySelector('.block-map'), card = make('section', 'card'), flow = make('div', 'block-flow');
      card.append(make('h3', '', 'One layer, and which of its parts get an adapter (target modules)'));
      card.append(make('p', 'line', 'Text passes through the layer from left to right and top to bottom. Every marked part gets an adapter; the model itself does not change. Press a part to mark or unmark it.'));
      const bar = make('div', 'group-bar');
      bar.setAttribute('role', 'group'); bar.setAttribute('aria-label', 'Groups of parts');
      for (const group of data.groups) {
        const b = make('button', 'mini', group.label); b.type = 'button'; b.dataset.group = group.id; b.title = group.note;
        b.addEventListener('click', () => trigger('take_group', { name: group.id }));
        bar.append(b);
      }
      const sum = make('p', 'sum'); sum.setAttribute('role', 'status');
      sum.append(make('b', 'sum-count'), document.createTextNode(' '), make('span', 'sum-of'));
      data.columns.forEach((one, i) => { if (i) flow.append(arrow('along')); flow.append(column(one)); });
      card.append(bar, make('p', 'line map-reason'), sum, make('p', 'line map-note'), flow);
      const end = make('p', 'map-end', data.layers > 1 ? `The model has ${data.layers} such layers, one after another.` : '');
      card.append(end);
      host.replaceChildren(card);
    }

    function set(data) {
      const $ = (name) => element.querySelector(name);
      const text = (name, words) => { const e = $(name); if (e.textContent !== words) e.textContent = words; e.hidden = !words; };
      for (const group of data.groups) $(`[data-group="${group.id}"]`)?.setAttribute('aria-pressed', group.pressed && data.adapts);
      for (const b of element.querySelectorAll('[data-group]')) b.disabled = !data.adapts;
      for (const one of data.columns) for (const step of one.steps) for (const part of step.boxes) {
        const e = [...element.querySelectorAll('.part')].find((b) => b.dataset.path === part.path && b.querySelector('.part-shape').textContent === part.shape);
        if (!e) continue;
        e.setAttribute('aria-pressed', part.pressed); e.disabled = !data.adapts || part.closed;
        const twins = part.twins ? ` · with ${part.twins} of the same name` : '';
        e.querySelector('.part-adapter').textContent = part.adapter ? (part.pressed ? `+ ${part.adapter}` : `would add ${part.adapter}`) + twins : '';
      }
      text('.sum-count', data.count); text('.sum-of', data.of); $('.sum').dataset.tone = data.tone;
      text('.map-reason', data.reason); text('.map-note', data.note);
    }

    function draw() {
      if (!props.value) { built = ''; element.querySelector('.block-map').replaceChildren(); return; }
      const data = JSON.parse(props.value);
      const shape = data.model + JSON.stringify(data.columns.map((c) => [c.title, c.note, c.closed, c.steps.map((s) => [s.then, s.boxes.map((b) => [b.path, b.shape])])]));
      if (shape !== built || !element.querySelector('.block-map > *')) { build(data); built = shape; }
      set(data);
    }
    watch('value', draw);
    draw();
  };
})();
