// Enhancements: running clocks, live updates, and a field that keeps four letters. Without scripts, pages work by reload.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const by = (selector) => document.querySelector(selector);
  const said = by("#said");
  const say = (words) => { said.textContent = words; };

  // Clocks: data-seconds is the value at the time the server rendered the page.
  const clocks = new WeakMap();
  const two = (number) => String(number).padStart(2, "0");
  const span = (seconds) => {
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
    const rest = two(seconds % 60);
    return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
  };
  const tick = () => {
    for (const clock of all("[data-clock]")) {
      if (!clocks.has(clock)) clocks.set(clock, performance.now());
      const passed = Math.floor((performance.now() - clocks.get(clock)) / 1000);
      const start = Number(clock.dataset.seconds);
      const shown = span(Math.max(0, clock.dataset.clock === "up" ? start + passed : start - passed));
      if (clock.textContent !== shown) clock.textContent = shown;
    }
  };

  // The four boxes: of pasted or typed text only the last four letters are kept.
  const fit = (event) => {
    const field = event.target;
    if (!field.matches("[data-suffix]")) return;
    const letters = field.value.toUpperCase().replace(/[^A-Z]/g, "").slice(-8);
    field.value = letters.length === 8 ? letters.slice(4) : letters.slice(0, 4);
    field.parentElement.classList.remove("wrong");
  };
  document.addEventListener("input", fit);
  document.addEventListener("paste", (event) => {
    if (!event.target.matches("[data-suffix]")) return;
    event.preventDefault();
    event.target.value = event.clipboardData.getData("text").slice(0, 64);
    fit(event);
  });

  // A form is sent only once, even if its button is tapped repeatedly.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return undefined;
    if (event.target.dataset.sent) return event.preventDefault();
    if (event.target.method !== "post") return undefined;
    event.target.dataset.sent = "1";
    return event.submitter?.setAttribute("aria-busy", "true");
  });
  addEventListener("pageshow", () => {
    for (const form of all("[data-sent]")) delete form.dataset.sent;
    for (const button of all("[aria-busy]")) button.removeAttribute("aria-busy");
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = button.dataset.copied;
    say(button.dataset.copied);
  });
  const enhance = () => {
    for (const button of all("[data-copy]")) button.hidden = !navigator.clipboard;
    tick();
  };

  // Live updates: the server announces a change, and the page loads itself again.
  const again = async () => {
    const address = new URL(location.href);
    address.searchParams.set("auto", "1");
    const answer = await fetch(address, { headers: { accept: "text/html" } });
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.dispatchEvent(new CustomEvent("loaded", { detail: fresh }));
    return fresh;
  };
  const TARGETS = "a, button, summary";
  const parts = (fresh, root = document) => {
    for (const part of all("[data-part]", root)) {
      const newer = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
      const opened = all("details", part).map((details) => details.open);
      if (!newer || part.textContent === newer.textContent) continue;
      const focused = all(TARGETS, part).indexOf(document.activeElement);
      part.replaceChildren(...newer.childNodes);
      all("details", part).forEach((details, index) => { details.open = opened[index] ?? false; });
      if (focused >= 0) all(TARGETS, part)[focused]?.focus({ preventScroll: true });
    }
  };
  const whole = (fresh) => {
    const main = by("main");
    const kept = all("#live-lost, #said", main);
    const newer = all("main > *", fresh).filter((child) => !["live-lost", "said"].includes(child.id));
    main.replaceChildren(...kept, ...newer);
    const heading = by("main h1");
    say(heading ? heading.textContent.trim() : "");
    follow();
  };

  // The queue: nothing moves under a thumb. Ended requests stay in place, and new ones are only inserted after a tap,
  // unless the list is scrolled to the top and nobody points at it.
  const news = { rows: [], gone: [], windows: [] };
  const held = [".queue", ".windows"].flatMap((list) => [`${list}:hover`, `${list}:focus-within`]).join();
  const isAtRest = () => scrollY < 8 && !by(`${held}, .windows details[open]`);
  const insert = () => {
    const list = by(".queue");
    for (const row of news.gone) row.remove();
    list?.prepend(...news.rows);
    by("#windows ul").append(...news.windows);
    by("#windows").hidden = !by("[data-window]");
    Object.assign(news, { rows: [], gone: [], windows: [] });
    by(".news").hidden = true;
    tick();
  };
  const windows = (fresh, live) => {
    const section = by("#windows");
    const newer = new Map(all("[data-window]", fresh).map((item) => [item.dataset.window, item]));
    for (const item of all("[data-window]:not(.gone)", section)) {
      if (newer.delete(item.dataset.window)) continue;
      // Still there and as high as before, so that nothing moves, but it does nothing any more.
      item.style.minHeight = `${item.offsetHeight}px`;
      item.classList.add("gone");
      item.querySelector(".window-state").textContent = section.dataset.over;
      item.querySelector(".window-time").textContent = "";
      for (const details of all("details", item)) details.inert = true;
      news.gone.push(item);
    }
    const known = new Set(news.windows.map((item) => item.dataset.window));
    news.windows = [...newer.values()];
    if (news.windows.some((item) => !known.has(item.dataset.window))) say(live.dataset.newsWindow);
  };
  const queue = (fresh, live) => {
    const list = by(".queue");
    if (!list || !fresh.querySelector(".queue")) {
      if (isAtRest() || (!list && !by(".windows details[open]"))) return whole(fresh);
    }
    windows(fresh, live);
    if (!list) {
      // A person is about to close a window: the machines appear as soon as they have.
      live.dataset.version = "";
      return parts(fresh);
    }
    const newer = new Map(all(".row", fresh).map((row) => [row.dataset.id, row]));
    for (const row of all(".row:not(.gone)", list)) {
      const other = newer.get(row.dataset.id);
      newer.delete(row.dataset.id);
      if (other) {
        // Notes change the height of a row.
        const cells = ["verdict", "name", "kind", "votes", "where", "serial", "mac", "uuid", ...(isAtRest() ? ["notes"] : [])];
        for (const name of cells.map((cell) => `.row-${cell}`)) {
          const [mine, theirs] = [row.querySelector(name), other.querySelector(name)];
          if (mine.textContent !== theirs.textContent) mine.replaceChildren(...theirs.childNodes);
        }
      } else {
        row.classList.add("gone");
        row.querySelector(".row-left").textContent = live.dataset.gone;
        news.gone.push(row);
      }
    }
    const known = new Set(news.rows.map((row) => row.dataset.id));
    const added = [...newer.values()].filter((row) => !known.has(row.dataset.id));
    news.rows = [...newer.values()];
    parts(fresh);
    document.title = fresh.title;
    if (added.length) {
      say(added.length === 1 ? live.dataset.newsOne : live.dataset.newsMany.replace("#", added.length));
    }
    if (!news.rows.length && !news.windows.length) return undefined;
    if (isAtRest()) return insert();
    const button = by(".news button");
    button.textContent = live.dataset.news.replace("#", news.rows.length + news.windows.length);
    button.onclick = () => { insert(); scrollTo(0, 0); by(".queue a")?.focus(); };
    by(".news").hidden = false;
    return undefined;
  };

  let stream = null;
  let busy = false;
  let missed = false;
  let announced = "";
  const changed = async (event) => {
    if (event) announced = event.data;
    const live = by("[data-live]");
    if (!live || announced === live.dataset.version) return;
    if (busy) { missed = true; return; }
    busy = true;
    try {
      const fresh = await again();
      const newer = fresh.querySelector("[data-version]");
      const kind = live.dataset.kind;
      live.dataset.version = newer ? newer.dataset.version : "";
      if (kind === "queue") queue(fresh, live);
      else if (kind === "card" && newer && newer.dataset.kind === "card") parts(fresh);
      else whole(fresh);
      // Under load the server may render a slightly older state: then another update follows.
      missed = missed || (by("[data-live]")?.dataset.version ?? announced) !== announced;
    } catch {
      lost("lost");
    }
    // Update at most once a second.
    setTimeout(() => { busy = false; if (missed) { missed = false; changed(); } }, 1000);
  };
  const lost = (how) => {
    const box = by("#live-lost");
    box.hidden = how === "";
    if (how) box.firstElementChild.textContent = box.dataset[how];
  };
  const follow = () => {
    stream?.close();
    stream = null;
    enhance();
    const live = by("[data-live]");
    if (!live || document.hidden) return;
    stream = new EventSource(live.dataset.live);
    stream.addEventListener("changed", changed);
    stream.addEventListener("open", () => lost(""));
    stream.addEventListener("error", () => lost(stream?.readyState === EventSource.CLOSED ? "lost" : "again"));
  };
  // A hidden page keeps no connection open, because browsers allow only a few per server.
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", () => stream?.close());
  follow();
  setInterval(tick, 1000);
})();
