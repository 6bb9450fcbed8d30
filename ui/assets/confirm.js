/* A question before something is deleted takes the focus when it appears, and gives it back when the answer is no. */
window.HoneQuestion = function (element, watch, box) {
  const before = document.activeElement;
  const ask = () => {
    const question = document.getElementById(box);
    if (!question || !element.textContent.trim()) return;
    element.tabIndex = -1;
    element.focus({ preventScroll: true });
    question.scrollIntoView({ block: 'nearest' });
  };
  setTimeout(() => {
    const question = document.getElementById(box), no = question?.querySelector('[id$=-no]');
    question?.addEventListener('keydown', (e) => { if (e.key === 'Escape') no?.click(); });
    no?.addEventListener('click', () => { if (before?.isConnected) before.focus(); });
    ask();
  });
  watch('value', ask);
};
