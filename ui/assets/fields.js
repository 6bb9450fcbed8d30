/* Notes beside settings (ui/train/plan_words.py), and links that lead to a widget: they open its tab and the fold that it
   is in, and put the cursor there. */
(function () {
  const INPUTS = 'input, textarea, select, button';
  const calm = () => (matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth');
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));

  window.HoneFieldNotes = function (element, props, watch) {
    let notes = {};
    function place() {
      for (const old of document.querySelectorAll('.field-note')) if (!notes[old.dataset.of]) remove(old);
      for (const [id, [tone, words]] of Object.entries(notes)) {
        const field = document.getElementById(id);
        if (!field) continue; // its fold is closed
        let note = document.getElementById(id + '-note');
        if (!note || !field.contains(note)) {
          note?.remove();
          note = document.createElement('p'); note.id = id + '-note'; note.className = 'field-note'; note.dataset.of = id;
          note.setAttribute('role', 'status'); field.append(note);
        }
        if (note.textContent !== words) note.textContent = words;
        note.dataset.tone = tone;
        for (const input of field.querySelectorAll('input, textarea')) { input.setAttribute('aria-describedby', note.id); input.setAttribute('aria-invalid', tone === 'bad'); }
      }
    }
    function remove(note) {
      for (const input of note.parentElement.querySelectorAll('[aria-invalid]')) { input.removeAttribute('aria-invalid'); input.removeAttribute('aria-describedby'); }
      note.remove();
    }
    const set = () => { try { notes = JSON.parse(props.value || '{}'); } catch { notes = {}; } place(); };
    watch('value', set);
    document.addEventListener('click', (e) => { if (e.target.closest('.label-wrap')) setTimeout(place, 400); }); // a fold is opened
    set();
  };

  /* A fold that is closed has no fields yet in Gradio, so those that the field is in are opened first. */
  async function goTo(tab, id, folds) {
    document.querySelector(`#nav [role=tab][data-tab-id="${tab}"]`)?.click();
    for (let tries = 0; tries < 30; tries += 1) {
      const target = document.getElementById(id);
      if (target?.offsetParent) return arrive(target);
      for (const fold of folds.split(' ').filter(Boolean)) {
        const head = document.querySelector(`#${fold} > .label-wrap`);
        if (head?.offsetParent && !head.classList.contains('open')) head.click();
      }
      await pause(100);
    }
  }

  function arrive(target) {
    target.scrollIntoView({ block: 'center', behavior: calm() });
    const input = target.matches(INPUTS) ? target : target.querySelector(INPUTS);
    input?.focus({ preventScroll: true });
  }

  document.addEventListener('click', (e) => {
    const link = e.target.closest('[data-go]');
    if (link) goTo(link.dataset.go, link.dataset.to, link.dataset.fold || '');
  });
})();
