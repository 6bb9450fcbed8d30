/* The push channel of the page (ui/push.py): what has changed, for whoever listens. And a restarted app, whose
   page would refuse this one in jargon: so the page reloads; so it does where a session has ended, which shows the login. */
window.HonePush = (function () {
  const WAIT = { first: 500, most: 5000, fallback: 3000 }; // milliseconds
  const listeners = new Set(), watchers = new Set();
  let boot = '', opened = false, wait = WAIT.first, lostTimes = 0, refusedTimes = 0, down = false;

  const tell = (names) => { const changed = new Set(names); for (const listen of listeners) listen(changed); };
  const setDown = (now) => { if (now !== down) { down = now; for (const watch of watchers) watch(down); } };

  function connect() {
    const address = new URL('changes', location.href);
    address.protocol = address.protocol.replace('http', 'ws'); address.search = address.hash = '';
    const socket = new WebSocket(address);
    socket.onmessage = (e) => {
      const said = JSON.parse(e.data);
      if (said.boot) {
        if (boot && boot !== said.boot) return location.reload();
        boot = said.boot; lostTimes = refusedTimes = 0; wait = WAIT.first; setDown(false);
        if (!opened) { opened = true; return; } // the page has just asked for everything
      }
      tell(said.changed);
    };
    socket.onclose = lost;
  }

  async function lost() {
    const answer = await fetch('whoami').catch(() => null); // null: there is no app just now
    if (answer?.status === 401) return location.reload();
    const { boot: now } = answer?.ok ? await answer.json().catch(() => ({})) : {}; // another program may answer there by now
    if (now && boot && now !== boot) return location.reload();
    lostTimes += 1;
    if (now) refusedTimes += 1;
    setDown(!now && lostTimes > 1);
    if (refusedTimes > 3) { boot ||= now; return setInterval(() => tell(['*']), WAIT.fallback); } // something between lets no WebSocket through
    setTimeout(connect, wait); wait = Math.min(WAIT.most, 2 * wait);
  }

  /* The page's own events: which tab has to be shown anew. Only what can be seen is asked for; a tab that is opened asks itself. */
  function follow(element, trigger) {
    const SOON = 1500; // milliseconds: a run that works says something each second
    const TABS = { runs: ['runs', 'run', 'queue'], compare: ['runs', 'run'], export: ['runs', 'run'], train: ['runs', 'queue'] };
    const due = new Set();
    let timer = 0;
    const fire = () => {
      timer = 0;
      if (document.hidden) return;
      const has = (kind) => due.has(kind) || due.has('*');
      const tab = window.HoneTabs.shown(), stale = has('choices');
      if ((TABS[tab] || []).some(has)) trigger(tab + '_changed');
      if (has('lists')) trigger('lists_changed');
      due.clear();
      if (stale) due.add('choices');
      if (!document.hasFocus()) catchUp();
    };
    /* What was chosen on another page: not while this one is in use. */
    const catchUp = () => { if (due.delete('choices')) trigger('choices_changed'); };
    const soon = (delay) => { timer ||= setTimeout(fire, delay); };
    listeners.add((changed) => { for (const name of changed) due.add(name.split(' ')[0]); soon(due.has('runs') || due.has('queue') ? 50 : SOON); });
    document.addEventListener('visibilitychange', () => { if (due.size) soon(0); });
    window.addEventListener('focus', catchUp);
  }

  return {
    start: () => connect(), follow,
    listen: (listener) => { listeners.add(listener); },
    watchConnection: (watcher) => { watchers.add(watcher); watcher(down); },
  };
})();
