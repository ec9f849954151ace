// Push messages for this browser, on the account page.
"use strict";
(() => {
  const workers = isSecureContext ? navigator.serviceWorker : undefined;
  const register = () => workers.register("/worker.js", { updateViaCache: "none" });
  const form = document.querySelector("[data-push-on]");
  if (!form) return;
  const all = (selector) => [...document.querySelectorAll(selector)];
  const explain = (why, reason) => {
    for (const words of all("[data-push-why]")) {
      words.hidden = words.dataset.pushWhy !== why;
      words.dataset.words ??= words.textContent;
      words.textContent = words.dataset.words.replace("…", reason ?? "");
    }
  };
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const isApple = /iPhone|iPad/.test(navigator.userAgent) || (/Mac/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);
  const obstacle = () => {
    if (!isSecureContext) return "no_secure";
    if (!workers || !("PushManager" in window) || !("Notification" in window)) {
      return isApple && !navigator.standalone ? "home_screen" : "no_support";
    }
    return Notification.permission === "denied" ? "blocked" : "";
  };
  // A device is named by the digest of its address at the push service (PushDevices.turn_on).
  const idOf = async (subscription) => {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(subscription.endpoint));
    return [...new Uint8Array(digest)].slice(0, 16).map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  const current = async () => (await workers.getRegistration("/"))?.pushManager.getSubscription();
  const isSame = (key, other) => key && new Uint8Array(key).join() === other.join();

  const subscribed = async () => {
    await register();
    const { pushManager } = await workers.ready;
    const applicationServerKey = bytes(form.dataset.key);
    const old = await pushManager.getSubscription();
    // The key of the server has changed: nobody can send to the old subscription any more.
    if (old && !isSame(old.options.applicationServerKey, applicationServerKey)) await old.unsubscribe();
    return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
  };
  const turnOn = async () => {
    if (await Notification.requestPermission() !== "granted") return explain("blocked");
    const { endpoint, keys } = (await subscribed()).toJSON();
    Object.assign(form.elements.endpoint, { value: endpoint });
    Object.assign(form.elements.p256dh, { value: keys.p256dh });
    Object.assign(form.elements.auth, { value: keys.auth });
    return form.submit();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    explain("");
    turnOn().catch((error) => explain("no_service", error.name));
  });

  const mark = async () => {
    const subscription = await current();
    if (!subscription) return;
    const id = await idOf(subscription);
    const own = all("[data-push-device]").find((device) => device.dataset.pushDevice === id);
    if (!own) return;
    form.hidden = true;
    own.querySelector("[data-push-this]").hidden = false;
    own.querySelector("[data-push-off]").addEventListener("submit", () => { subscription.unsubscribe(); });
  };
  const why = obstacle();
  explain(why);
  form.hidden = why !== "";
  if (!why) mark().catch(() => {});
})();
