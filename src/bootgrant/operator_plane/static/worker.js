// The service worker: shows push messages, opens what they link to, and says so when the server cannot be reached. It
// keeps nothing: no page, no style, no machine. WORDS are prepended by the server.
"use strict";
const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const OFFLINE = `<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>${escape(WORDS.offline)}</title><h1>${escape(WORDS.offline)}</h1><p>${escape(WORDS.offline_what)}</p>
<p><a href="">${escape(WORDS.offline_again)}</a></p></html>`;
const offline = () => new Response(OFFLINE, {
  status: 503,
  headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": "default-src 'none'" },
});

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

// Only pages that a person opens. Forms go to the server without this.
self.addEventListener("fetch", (event) => {
  if (event.request.mode !== "navigate" || event.request.method !== "GET") return;
  event.respondWith(fetch(event.request).catch(offline));
});

const pathOf = (link) => {
  const url = new URL(String(link), self.location.origin);
  return url.origin === self.location.origin ? url.href : `${self.location.origin}/`;
};

self.addEventListener("push", (event) => {
  const { title, body, link, tag } = event.data.json();
  event.waitUntil(self.registration.showNotification(title, {
    body, tag, renotify: true, data: { link }, icon: WORDS.icon, badge: WORDS.icon,
  }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const target = pathOf(event.notification.data.link);
  event.waitUntil((async () => {
    const open = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    const there = open.find((client) => client.url === target);
    if (there) return there.focus();
    return self.clients.openWindow(target);
  })());
});
