/* The theme: that of the system until somebody chooses, then remembered on this machine. And a restarted app. */
(function () {
  const KEY = 'hone-theme';
  const dark = () => (localStorage.getItem(KEY) || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
  const apply = () => document.body.classList.toggle('dark', dark());
  document.addEventListener('DOMContentLoaded', apply);
  /* Whose session has ended gets the login page. */
  const leaveIfOut = () => fetch('whoami').then((answer) => { if (answer.status === 401) location.reload(); }, () => {});
  /* A restarted app has lost this page's state and would refuse it in jargon, so the page reloads. */
  window.HoneRestart = function (server) {
    let boot = '';
    setInterval(async () => {
      if (document.hidden) return;
      const now = await server.boot_id('').catch(() => { leaveIfOut(); return ''; });
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
