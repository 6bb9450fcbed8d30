/* The keyboard: arrows move among the tabs, digits open them, and ? shows what there is. */
(function () {
  const KEYS = [['1 to 6', 'open a tab'], ['← →', 'move among the tabs, once one has the focus'], ['Enter', 'send a message on Compare; Shift+Enter begins a new line'], ['?', 'show or hide this list'], ['Esc', 'close it']];
  const tabs = () => [...document.querySelectorAll('#nav .tab-container [role=tab]')].filter((tab) => tab.offsetParent);
  const typing = (e) => e.target.closest('input, textarea, select, [contenteditable=true]') || e.ctrlKey || e.metaKey || e.altKey;
  let list = null;

  function moveAmongTabs(e) {
    const all = tabs(), at = all.indexOf(e.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[e.key];
    if (at < 0 || to === undefined) return false;
    const next = all[(to + all.length) % all.length];
    next.click(); next.focus();
    return true;
  }

  function show() {
    if (!list) {
      list = document.createElement('dialog');
      list.className = 'keys-list'; list.setAttribute('aria-label', 'Keyboard shortcuts');
      const head = document.createElement('h3'), rows = document.createElement('dl'), close = document.createElement('button');
      head.textContent = 'Keyboard shortcuts';
      for (const [key, what] of KEYS) { const row = document.createElement('div'), dt = document.createElement('dt'), dd = document.createElement('dd'); dt.textContent = key; dd.textContent = what; row.append(dt, dd); rows.append(row); }
      close.type = 'button'; close.className = 'mini'; close.textContent = 'Close'; close.addEventListener('click', () => list.close());
      list.append(head, rows, close);
      document.querySelector('.gradio-container').append(list);
    }
    if (list.open) list.close(); else list.showModal();
  }

  document.addEventListener('keydown', (e) => {
    if (e.target.matches?.('#nav [role=tab]') && moveAmongTabs(e)) return e.preventDefault();
    if (typing(e)) return;
    if (e.key === '?') { show(); e.preventDefault(); }
    const tab = tabs()[Number(e.key) - 1];
    if (tab && !list?.open) { tab.click(); tab.focus(); }
  });
  window.HoneKeys = (button) => button.addEventListener('click', show);
})();
