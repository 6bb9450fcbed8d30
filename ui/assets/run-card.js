/* The card of the picked run: its name, note and tags, changed in place; and its report, which follows the run. */
(function () {
  const make = (tag, kind, words) => {
    const e = document.createElement(tag);
    if (kind) e.className = kind;
    if (words !== undefined) e.textContent = words;
    return e;
  };
  const labelled = (id, words, input) => { const e = make('label'); e.id = id; e.append(make('span', '', words), input); return e; };

  /* What is typed is saved when the field is left, or with Enter, each change by itself: several may be under way at once.
     The id goes with it, since another run may be picked by then. */
  window.HoneRunMeta = function (element, props, trigger, watch) {
    const host = element.querySelector('.run-meta'), name = make('input', 'field'), note = make('textarea', 'field'), tag = make('input');
    const tags = make('span', 'tag-field field'), chips = make('span', 'tags'), known = make('datalist'), saved = make('small', 'saved');
    let data = { id: '', name: '', note: '', tags: [], known: [], most: 0 }, quiet = null;
    name.maxLength = 80; note.maxLength = 2000; note.rows = 1; tag.maxLength = 24; tag.placeholder = 'Add a tag, then Enter'; known.id = 'known-tags';
    tag.setAttribute('list', known.id); tag.setAttribute('autocomplete', 'off'); saved.setAttribute('role', 'status');
    tags.append(chips, tag, known);
    host.append(labelled('run-name', 'Name', name), labelled('run-tags', 'Tags', tags), labelled('run-note', 'Note for yourself', note), saved);

    const grow = () => { note.style.height = 'auto'; note.style.height = `${note.scrollHeight + 2}px`; };
    const save = (field, value) => trigger('save_meta', { id: data.id, [field]: value });
    name.addEventListener('change', () => save('name', name.value)); note.addEventListener('change', () => save('note', note.value));
    name.addEventListener('keydown', (e) => { if (e.key === 'Escape') { name.value = data.name; name.blur(); } });
    note.addEventListener('input', grow);
    tag.addEventListener('keydown', (e) => {
      if (e.key === 'Backspace' && !tag.value && data.tags.length) save('remove_tag', data.tags.at(-1));
      if (e.key !== 'Enter' && e.key !== ',') return;
      e.preventDefault();
      if (tag.value.trim()) save('add_tag', tag.value);
      tag.value = '';
    });

    function draw() {
      if (!props.value) return;
      const next = JSON.parse(props.value), another = next.id !== data.id;
      data = next; host.dataset.shown = data.id;
      if (another || document.activeElement !== name) name.value = data.name;
      if (another || document.activeElement !== note) note.value = data.note;
      chips.replaceChildren(...data.tags.map((words) => {
        const e = make('button', 'chip tag', words); e.type = 'button'; e.append(make('i', '', '×')); e.setAttribute('aria-label', `Remove the tag ${words}`);
        e.addEventListener('click', (event) => { event.preventDefault(); save('remove_tag', words); tag.focus(); });
        return e;
      }));
      known.replaceChildren(...data.known.filter((one) => !data.tags.includes(one)).map((one) => new Option(one)));
      tag.hidden = data.tags.length >= data.most;
      saved.textContent = data.saved && !another ? 'Saved' : '';
      clearTimeout(quiet); quiet = setTimeout(() => { saved.textContent = ''; }, 2500);
      grow();
      if (another) document.dispatchEvent(new Event('hone-run-picked'));
      const card = document.querySelector('#run-card'), list = document.querySelector('#runs-table');
      if (!another || !card || !list?.contains(document.activeElement)) return;
      const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
      if (card.getBoundingClientRect().top > innerHeight - 200) card.scrollIntoView({ block: 'start', behavior: still ? 'auto' : 'smooth' });
    }
    watch('value', draw);
    draw();
  };

  /* The report is exchanged while nobody marks a text in it; folds that are open stay open. What it holds is the server's
     HTML, in which every text of somebody's is escaped. */
  window.HoneReport = function (element, props, watch) {
    const host = element.querySelector('.report-host');
    let id = '', shown = '';
    const marking = () => { const chosen = getSelection(); return !chosen.isCollapsed && host.contains(chosen.anchorNode); };
    function draw() {
      if (!props.value) return;
      const next = JSON.parse(props.value), run = document.querySelector('#run-card .run-meta')?.dataset.shown;
      if ((run && run !== next.id) || next.html === shown || (id === next.id && marking())) return;
      const open = id === next.id ? [...host.querySelectorAll('details')].map((one) => one.open) : [];
      id = next.id; shown = next.html;
      host.innerHTML = shown;
      [...host.querySelectorAll('details')].forEach((one, at) => { if (open[at]) one.open = true; });
    }
    for (const name of ['selectionchange', 'hone-run-picked']) { // the card's parts may come one after the other
      const again = () => { if (host.isConnected) draw(); else document.removeEventListener(name, again); };
      document.addEventListener(name, again);
    }
    watch('value', draw);
    draw();
  };
})();
