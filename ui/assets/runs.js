/* The table of the Runs tab: drawn from the rows that ui/runs/table.py gives, sorted, searched, filtered and picked from
   here. All text is set with textContent. What is sorted and which columns are shown is remembered in this browser. */
(function () {
  const PHONE = matchMedia('(max-width: 700px)');
  const AT_ONCE = { phone: 8, desk: 60 }; // rows that are drawn; more when somebody asks for them, or scrolls there
  const KEY = 'hone-runs';
  const NAME = { key: 'name', title: 'Name', lower_first: true };
  const FILTERS = { state: ['State', (row) => [row.label]], model: ['Model', (row) => [row.model]], data: ['Data', (row) => [row.data]], tag: ['Tag', (row) => row.tags] };
  const make = (tag, kind, words) => {
    const e = document.createElement(tag);
    if (kind) e.className = kind;
    if (words !== undefined) e.textContent = words;
    return e;
  };
  const button = (kind, words, act) => { const e = make('button', kind, words); e.type = 'button'; e.addEventListener('click', act); return e; };
  const words = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

  function remembered() {
    let kept = {};
    try { kept = JSON.parse(localStorage.getItem(KEY)) || {}; } catch { /* damaged, or not allowed */ }
    return { columns: typeof kept.columns === 'object' && kept.columns || {}, sort: typeof kept.sort === 'string' ? kept.sort : 'started', down: kept.down !== false };
  }

  window.HoneRuns = function (element, props, trigger, watch) {
    const own = remembered(), ticked = new Set(), drawn = new Map(), wanted = { state: '', model: '', data: '', tag: '' };
    let data = { columns: [], rows: [], damaged: '' }, picked = '', query = '', most = 0, lastTicked = '', shown = [];
    const remember = () => { try { localStorage.setItem(KEY, JSON.stringify(own)); } catch { /* full, or not allowed */ } };
    const isShown = (column) => own.columns[column.key] ?? column.shown;
    const columns = () => data.columns.filter(isShown);

    /* --- what is around the table --- */
    const host = element.querySelector('.runs-host'), empty = make('section', 'card runs-empty'), tools = make('div', 'runs-tools');
    empty.append(make('h3', '', 'No runs yet'), make('p', 'line', 'Every training becomes a row here: its settings, its curve and its score, so that you see what helped. It stays when you close the page.'), button('act', 'Start the first run', () => trigger('lead', {})));
    const search = make('input', 'field'); search.type = 'search'; search.placeholder = 'Search'; search.setAttribute('aria-label', 'Search runs by name, note, tag, model or data');
    search.addEventListener('input', () => { query = search.value.trim().toLowerCase(); arrange(true); });
    const selects = Object.fromEntries(Object.entries(FILTERS).map(([key, [title]]) => {
      const e = make('select', 'field'); e.setAttribute('aria-label', title);
      e.addEventListener('change', () => { wanted[key] = e.value; arrange(true); });
      return [key, e];
    }));
    const order = make('select', 'field order'); order.setAttribute('aria-label', 'Sort by');
    order.addEventListener('change', () => { [own.sort, own.down] = [order.value.slice(1), order.value[0] === '-']; remember(); arrange(true); });
    const count = make('span', 'runs-count'); count.setAttribute('role', 'status');
    const chooser = make('details', 'chooser'), choices = make('div', 'columns-list');
    chooser.append(make('summary', 'field', 'Columns'), choices);
    chooser.addEventListener('keydown', (e) => { if (e.key === 'Escape') { chooser.open = false; chooser.firstChild.focus(); } });
    document.addEventListener('click', (e) => { if (chooser.open && !chooser.contains(e.target)) chooser.open = false; });
    tools.append(search, ...Object.values(selects), order, make('span', 'grow'), count, chooser);

    /* --- several at once --- */
    const bar = make('div', 'runs-bar'), chosen = make('b'), tag = make('input', 'field');
    bar.setAttribute('role', 'group'); bar.setAttribute('aria-label', 'The chosen runs');
    tag.placeholder = 'Tag, then Enter'; tag.maxLength = 24; tag.hidden = true; tag.setAttribute('aria-label', 'Tag for the chosen runs');
    tag.addEventListener('keydown', (e) => {
      if (e.key === 'Enter' && tag.value.trim()) { trigger('tag_runs', { ids: [...ticked], tag: tag.value }); tag.value = ''; }
      if (e.key === 'Enter' || e.key === 'Escape') { tag.hidden = true; tagging.focus(); e.stopPropagation(); }
    });
    const tagging = button('act', 'Tag…', () => { tag.hidden = !tag.hidden; if (!tag.hidden) tag.focus(); });
    const erase = button('act', 'Delete…', () => trigger('ask_deletion', { ids: [...ticked] }));
    erase.id = 'delete-chosen'; tagging.id = 'tag-chosen'; erase.dataset.danger = 'true';
    bar.append(chosen, erase, tagging, tag, make('span', 'grow'), button('mini', 'Clear', () => { ticked.clear(); mark(); }));

    /* --- the table --- */
    const box = make('div', 'runs-box'), table = make('table', 'runs'), head = make('tr'), body = make('tbody'), thead = make('thead');
    const none = make('p', 'line runs-none', 'No run matches. '), more = button('mini runs-more', '', () => { most += 5 * AT_ONCE.phone; arrange(); }), damaged = make('p', 'line runs-damaged');
    none.append(button('mini', 'Show all runs', () => { query = search.value = ''; for (const key in wanted) wanted[key] = ''; offer(); arrange(true); }));
    damaged.dataset.tone = 'warn';
    thead.append(head); table.setAttribute('aria-label', 'Runs'); table.append(thead, body); box.append(table);
    const tickAll = make('input'); tickAll.type = 'checkbox'; tickAll.setAttribute('aria-label', 'Choose all shown runs');
    tickAll.addEventListener('change', () => { for (const row of shown) tickAll.checked ? ticked.add(row.id) : ticked.delete(row.id); mark(); });
    host.replaceChildren(tools, bar, box, none, more, damaged);

    function heading(column) {
      const th = make('th', column.number ? 'number' : ''); th.scope = 'col';
      const e = button('sort', column.title, () => {
        own.down = own.sort === column.key ? !own.down : !column.lower_first;
        own.sort = column.key; remember(); arrange(true);
      });
      e.append(make('i', 'way')); e.lastChild.setAttribute('aria-hidden', 'true');
      th.dataset.key = column.key; th.append(e);
      return th;
    }

    function setColumns() {
      const first = make('th', 'tick'); first.append(tickAll);
      head.replaceChildren(first, heading(NAME), ...columns().map(heading));
      choices.replaceChildren(...data.columns.map((column) => {
        const label = make('label'), e = make('input'); e.type = 'checkbox'; e.checked = isShown(column); e.name = column.key;
        e.addEventListener('change', () => { own.columns[column.key] = e.checked; remember(); setHead(); for (const one of drawn.values()) fill(one); arrange(); });
        label.append(e, column.title);
        return label;
      }));
      order.replaceChildren(...[NAME, ...data.columns].flatMap((column) => ['-', '+'].map((way) => new Option(`${column.title} ${way === '-' ? '↓' : '↑'}`, way + column.key))));
    }
    const setHead = () => head.replaceChildren(head.firstChild, heading(NAME), ...columns().map(heading));

    function cell(column, at, row) {
      const [figure, , aside, note, hint] = row.cells[at], td = make('td', column.number ? 'number' : '');
      td.dataset.label = column.title; td.dataset.none = String(figure === '–');
      if (hint) { td.dataset.hint = hint; td.title = hint; }
      if (column.key === 'state') {
        const chip = make('span', 'chip', figure); chip.dataset.state = row.state; chip.dataset.worse = String(row.worse); chip.dataset.live = String(row.live);
        td.append(chip);
      } else td.append(make('span', 'figure', figure));
      if (aside) td.append(make('span', 'aside', aside));
      if (note) td.append(make('small', '', note));
      return td;
    }

    /* Name and box of a row stay the same elements, so that the focus stays, too. */
    function fill(one) {
      const { row, tr } = one;
      one.name.textContent = row.name; one.name.dataset.run = row.id; one.box.setAttribute('aria-label', `Choose ${row.name}`);
      one.marks.replaceChildren(...row.tags.map((words) => make('span', 'chip tag', words)));
      one.note.textContent = row.note; one.note.title = row.note; one.note.hidden = !row.note;
      tr.replaceChildren(tr.children[0], tr.children[1], ...data.columns.flatMap((column, at) => isShown(column) ? [cell(column, at, row)] : []));
    }

    function drawRow(row) {
      const text = JSON.stringify(row);
      let one = drawn.get(row.id);
      if (!one) drawn.set(row.id, one = made(row));
      if (one.text !== text) { one.row = row; one.text = text; fill(one); }
      return one;
    }

    function made(row) {
      const tr = make('tr'), first = make('td', 'tick'), label = make('label'), tick = make('input'), second = make('td', 'name');
      const line = make('span', 'name-line'), name = make('button'), marks = make('span', 'tags'), note = make('small');
      tick.type = 'checkbox'; name.type = 'button'; tr.dataset.id = row.id;
      label.append(tick); first.append(label); line.append(name, marks); second.append(line, note); tr.append(first, second);
      return { tr, name, marks, note, box: tick, row, text: '' };
    }

    /* --- what is shown, and in which order --- */
    const matches = (row) => {
      for (const key in wanted) if (wanted[key] && !FILTERS[key][1](row).includes(wanted[key])) return false;
      if (!query) return true;
      const text = [row.name, row.note, row.label, row.model, row.data, ...row.tags].join('\n').toLowerCase();
      return query.split(/\s+/).every((word) => text.includes(word));
    };

    function compare() {
      const at = data.columns.findIndex((column) => column.key === own.sort), way = own.down ? -1 : 1;
      if (at < 0) return (a, b) => way * words.compare(a.name, b.name);
      return (a, b) => {
        const [x, y] = [a.cells[at][1], b.cells[at][1]];
        if (x === '' || y === '') return (x === '') - (y === '');
        return way * (typeof x === 'number' && typeof y === 'number' ? x - y : words.compare(x, y));
      };
    }

    /* ``anew``: from the top, as after another order. Rows are made when they are first shown. */
    function arrange(anew) {
      const step = PHONE.matches ? AT_ONCE.phone : AT_ONCE.desk;
      if (anew || !most) { most = step; box.scrollTop = 0; }
      shown = data.rows.filter(matches).sort(compare());
      const nodes = shown.slice(0, most).map((row) => drawRow(row).tr), before = body.children;
      if (nodes.length !== before.length || nodes.some((tr, at) => tr !== before[at])) {
        const focused = body.contains(document.activeElement) ? document.activeElement : null;
        body.replaceChildren(...nodes);
        if (focused?.isConnected) focused.focus({ preventScroll: true });
      }
      for (const th of head.querySelectorAll('[data-key]')) {
        const sorted = th.dataset.key === own.sort;
        if (sorted) th.setAttribute('aria-sort', own.down ? 'descending' : 'ascending'); else th.removeAttribute('aria-sort');
      }
      order.value = (own.down ? '-' : '+') + own.sort;
      const some = data.rows.length > 0;
      if (some) empty.remove(); else host.prepend(empty);
      tools.hidden = !some; box.hidden = !shown.length; none.hidden = !some || shown.length > 0;
      more.hidden = !PHONE.matches || shown.length <= most; more.textContent = `Show more of ${shown.length} runs`;
      const total = `${data.rows.length} ${data.rows.length === 1 ? 'run' : 'runs'}`, told = shown.length === data.rows.length ? total : `${shown.length} of ${total}`;
      if (count.textContent !== told) count.textContent = told;
      mark();
    }

    /* Options of the filters: what the rows hold; one that could not narrow anything is not offered. */
    function offer() {
      for (const [key, [title, values]] of Object.entries(FILTERS)) {
        const held = [...new Set(data.rows.flatMap(values).filter(Boolean))].sort(words.compare), e = selects[key];
        if (wanted[key] && !held.includes(wanted[key])) wanted[key] = '';
        const options = [new Option(`${title}: all`, ''), ...held.map((one) => new Option(one, one))];
        if (options.map((one) => one.value).join('\n') !== [...e.options].map((one) => one.value).join('\n') || !e.options.length) e.replaceChildren(...options);
        e.value = wanted[key]; e.hidden = key === 'tag' ? !held.length : held.length < 2;
      }
    }

    function mark() {
      const rows = [...body.children], stop = rows.find((tr) => tr.dataset.id === picked) ?? rows[0], chosenShown = shown.filter((row) => ticked.has(row.id)).length;
      for (const tr of rows) {
        const one = drawn.get(tr.dataset.id), on = tr.dataset.id === picked;
        tr.dataset.picked = String(on); one.name.setAttribute('aria-pressed', on);
        one.box.checked = ticked.has(tr.dataset.id); tr.dataset.ticked = String(one.box.checked);
        one.name.tabIndex = one.box.tabIndex = tr === stop || tr.contains(document.activeElement) ? 0 : -1;
      }
      tickAll.checked = shown.length > 0 && chosenShown === shown.length; tickAll.indeterminate = chosenShown > 0 && !tickAll.checked;
      bar.hidden = !ticked.size; chosen.textContent = `${ticked.size} chosen`;
      if (bar.hidden) tag.hidden = true;
    }

    function pick(id) { picked = id; mark(); trigger('pick', { name: id }); }

    /* --- mouse and keys --- */
    body.addEventListener('click', (e) => {
      const id = e.target.closest('tr')?.dataset.id;
      if (!id || e.target.closest('.tick')) return;
      if (!e.target.closest('[data-run]') && String(getSelection())) return; // somebody marks a text to copy it
      pick(id);
    });
    body.addEventListener('click', (e) => {
      const box = e.target.closest('.tick input');
      if (!box) return;
      const id = box.closest('tr').dataset.id, ids = shown.map((row) => row.id), from = ids.indexOf(lastTicked), to = ids.indexOf(id);
      const range = e.shiftKey && from >= 0 ? ids.slice(Math.min(from, to), Math.max(from, to) + 1) : [id];
      for (const one of range) box.checked ? ticked.add(one) : ticked.delete(one);
      lastTicked = id; mark();
    });
    body.addEventListener('keydown', (e) => {
      const tr = e.target.closest('tr'), rows = [...body.children], at = rows.indexOf(tr);
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[e.key];
      if (!tr || e.altKey || e.ctrlKey || e.metaKey) return;
      if (to !== undefined && rows[to]) {
        const next = drawn.get(rows[to].dataset.id), e2 = e.target.type === 'checkbox' ? next.box : next.name;
        e2.focus(); e.preventDefault();
      } else if (e.key === 'x') { drawn.get(tr.dataset.id).box.click(); e.preventDefault(); }
    });
    body.addEventListener('focusin', mark);
    element.addEventListener('keydown', (e) => { if (e.key === 'Escape' && ticked.size) { ticked.clear(); mark(); } });
    PHONE.addEventListener('change', () => arrange(true));
    box.addEventListener('scroll', () => { if (most < shown.length && box.scrollTop + box.clientHeight > box.scrollHeight - 800) { most += AT_ONCE.desk; arrange(); } });

    function draw() {
      if (!props.value) return;
      const next = JSON.parse(props.value), sameColumns = JSON.stringify(next.columns) === JSON.stringify(data.columns);
      data = next;
      if (data.picked !== undefined) picked = data.picked;
      if (!sameColumns) setColumns();
      const ids = new Set(data.rows.map((row) => row.id));
      for (const id of drawn.keys()) if (!ids.has(id)) { drawn.delete(id); ticked.delete(id); }
      if (!ids.has(picked)) picked = '';
      if (!sameColumns) drawn.clear();
      damaged.textContent = data.damaged; damaged.hidden = !data.damaged;
      offer(); arrange();
    }
    for (const one of [tools, bar, box, none, more, damaged]) one.hidden = true;
    watch('value', draw);
    draw();
  };
})();
