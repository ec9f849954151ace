// Ages and times left go on counting while the page is open. Without this they stand as the server wrote them.
"use strict";
(() => {
  const loaded = performance.now();
  const clocks = [...document.querySelectorAll("[data-clock]")];
  const two = (number) => String(number).padStart(2, "0");
  const span = (seconds) => {
    const hours = Math.floor(seconds / 3600);
    const minutes = Math.floor((seconds % 3600) / 60);
    const rest = two(seconds % 60);
    return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
  };
  const tick = () => {
    const passed = Math.floor((performance.now() - loaded) / 1000);
    for (const clock of clocks) {
      const start = Number(clock.dataset.seconds);
      const up = clock.dataset.clock === "up";
      clock.textContent = span(Math.max(0, up ? start + passed : start - passed));
    }
  };
  if (clocks.length) setInterval(tick, 1000);
})();
