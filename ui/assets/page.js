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
  /* A restarted app has lost this page's state and would refuse it in jargon, so the page reloads; so it does where a
     session has ended, which shows the login page. */
  window.HoneRestart = function () {
    let boot = '';
    setInterval(async () => {
      if (document.hidden) return;
      const answer = await fetch('whoami').catch(() => null); // null: there is no app just now
      if (answer?.status === 401) location.reload();
      if (!answer?.ok) return;
      const { boot: now } = await answer.json().catch(() => ({})); // another program may answer there by now
      boot ||= now;
      if (now && now !== boot) location.reload();
    }, 2000);
  };
  /* Opens a box elsewhere on the page and scrolls to it. */
  window.HoneMore = function (element) {
    element.addEventListener('click', (e) => {
      const box = document.getElementById(e.target.closest('[aria-controls]')?.getAttribute('aria-controls'));
      const head = box?.querySelector(':scope > button');
      if (!head) return;
      if (!head.classList.contains('open')) head.click();
      box.scrollIntoView({ block: 'start', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
      head.focus({ preventScroll: true });
    });
  };
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
