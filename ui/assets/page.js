/* The theme: that of the system until somebody chooses, then remembered on this machine. And a restarted app. */
(function () {
  /* Gradio's loading sign is removed while its timer runs, which goes on asking for animation frames and costs each open
     page 8 % of a core. What began while the page was loading gets none any more, if it is a timer of that kind. */
  const ask = window.requestAnimationFrame.bind(window); // before Gradio takes it
  let loading = true, inside = false;
  window.requestAnimationFrame = (callback) => {
    if (!inside && !loading) return ask(callback);
    if (!loading && new Error().stack.includes('statustracker')) return 0;
    return ask((time) => { inside = true; try { callback(time); } finally { inside = false; } });
  };
  window.HoneLoaded = () => setTimeout(() => { loading = false; }, 3000);
  const KEY = 'hone-theme';
  const dark = () => (localStorage.getItem(KEY) || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
  const apply = () => document.body.classList.toggle('dark', dark());
  document.addEventListener('DOMContentLoaded', apply);
  window.HoneTheme = function (button) {
    const label = () => {
      const words = document.body.classList.contains('dark') ? 'Light' : 'Dark';
      button.textContent = words; button.setAttribute('aria-label', `Switch to the ${words.toLowerCase()} theme`);
    };
    apply(); label();
    new MutationObserver(label).observe(document.body, { attributes: true, attributeFilter: ['class'] });
    button.addEventListener('click', () => { localStorage.setItem(KEY, document.body.classList.contains('dark') ? 'light' : 'dark'); apply(); });
  };
})();
/* The tab that this browser tab was on before a reload; and the page that stays hidden until it shows what was chosen. */
window.HoneTabs = (function () {
  const KEY = 'hone-tab';
  const shown = () => document.querySelector('#nav [role=tab][aria-selected=true]')?.dataset.tabId || '';
  window.addEventListener('pagehide', () => sessionStorage.setItem(KEY, shown()));
  return { before: () => sessionStorage.getItem(KEY), shown };
})();
window.HoneReady = () => { document.documentElement.dataset.ready = 'true'; };
setTimeout(window.HoneReady, 15000); // whatever happens
document.head.insertAdjacentHTML('beforeend', '<style>html:not([data-ready]) #nav { visibility: hidden; }</style>');
