// Times in the zone of the person who reads them. The server writes UTC, which stays as the title.
"use strict";
(() => {
  const format = (options) => new Intl.DateTimeFormat("en-GB", { hourCycle: "h23", ...options });
  const clock = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const day = format({ day: "numeric", month: "short" });
  const dayOfYear = format({ day: "numeric", month: "short", year: "numeric" });
  const shown = (at, now, kind) => {
    const daysAgo = Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86400000);
    const time = clock.format(at);
    if (daysAgo === 0) return kind === "clock" ? time : `today ${time}`;
    if (daysAgo === 1) return `yesterday ${time}`;
    return `${(at.getFullYear() === now.getFullYear() ? day : dayOfYear).format(at)}, ${time}`;
  };
  const show = (root) => {
    const now = new Date();
    for (const time of root.querySelectorAll("time[data-moment]")) {
      const words = shown(new Date(time.dateTime), now, time.dataset.moment);
      if (time.textContent !== words) time.textContent = words;
    }
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const name of root.querySelectorAll("[data-zone]")) name.textContent = name.dataset.zone.replace("#", zone);
  };
  // What a live update has loaded, before it is compared with what the page shows (10-pages.js).
  document.addEventListener("loaded", (event) => show(event.detail));
  show(document);
  // "today" ends at midnight.
  setInterval(() => show(document), 60000);
})();
