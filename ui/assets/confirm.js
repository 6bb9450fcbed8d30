/* A question before something is deleted takes the focus when it appears, and gives it back when the answer is no. */
window.HoneQuestion = function (element, watch, name) {
  const box = () => document.getElementById(`${name}-sure`);
  let before = document.activeElement;
  const ask = () => {
    if (!box() || !element.textContent.trim()) return;
    if (!box().contains(document.activeElement)) before = document.activeElement;
    element.tabIndex = -1;
    element.focus({ preventScroll: true });
    box().scrollIntoView({ block: 'nearest' });
  };
  setTimeout(() => {
    const no = document.getElementById(`${name}-no`);
    box()?.addEventListener('keydown', (e) => { if (e.key === 'Escape') no?.click(); });
    no?.addEventListener('click', () => { if (before?.isConnected) before.focus(); });
    ask();
  });
  watch('value', ask);
};
