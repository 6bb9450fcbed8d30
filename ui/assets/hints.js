/* Three hints for a first visit, each at the place that it is about: gone for good once dismissed, or once a run was started. */
(function () {
  const KEY = 'hone-hints-gone';
  const gone = () => { try { return JSON.parse(localStorage.getItem(KEY)) || []; } catch { return []; } };
  const isGone = (name) => gone().some((one) => one === name || one === '*');
  const shown = new Map();
  function hide(name) {
    localStorage.setItem(KEY, JSON.stringify([...new Set([...gone(), name])]));
    for (const [one, element] of shown) if (isGone(one)) element.querySelector('.hint')?.remove();
  }
  window.HoneHint = function (element, name) {
    if (isGone(name)) { element.querySelector('.hint')?.remove(); return; }
    shown.set(name, element);
    element.querySelector('button')?.addEventListener('click', () => hide(name));
  };
  window.HoneHintsDone = () => { if (!isGone('*')) hide('*'); };
})();
