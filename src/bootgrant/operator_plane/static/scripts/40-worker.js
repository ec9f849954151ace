// The service worker. Without it there is no message when the server cannot be reached; no page depends on it.
"use strict";
if (isSecureContext && navigator.serviceWorker) {
  addEventListener("load", () => {
    navigator.serviceWorker.register("/worker.js", { updateViaCache: "none" }).catch(() => {});
  });
}
