// A form with data-passkey asks the browser for a passkey and sends its answer in the field "answer".
"use strict";
(() => {
  const toBytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const toText = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const listed = (credentials) => (credentials || []).map((one) => ({ ...one, id: toBytes(one.id) }));

  const make = async (asked) => {
    const publicKey = {
      ...asked,
      challenge: toBytes(asked.challenge),
      user: { ...asked.user, id: toBytes(asked.user.id) },
      excludeCredentials: listed(asked.excludeCredentials),
    };
    const made = await navigator.credentials.create({ publicKey });
    return [made, { attestationObject: toText(made.response.attestationObject) }];
  };
  const show = async (asked) => {
    const publicKey = {
      ...asked,
      challenge: toBytes(asked.challenge),
      allowCredentials: listed(asked.allowCredentials),
    };
    const shown = await navigator.credentials.get({ publicKey });
    const { authenticatorData, signature, userHandle } = shown.response;
    const members = { authenticatorData: toText(authenticatorData), signature: toText(signature) };
    return [shown, { ...members, userHandle: userHandle ? toText(userHandle) : null }];
  };
  let busy = false;

  const run = async (form) => {
    if (busy) return;
    busy = true;
    const problem = form.querySelector("[data-problem]");
    problem.hidden = true;
    try {
      const ask = form.dataset.passkey === "make" ? make : show;
      const [{ id, rawId, type, response }, members] = await ask(JSON.parse(form.dataset.options));
      members.clientDataJSON = toText(response.clientDataJSON);
      form.elements.answer.value = JSON.stringify({ id, rawId: toText(rawId), type, response: members });
      HTMLFormElement.prototype.submit.call(form);
    } catch (error) {
      problem.textContent =
        error.name === "InvalidStateError" ? problem.dataset.known
        : error.name === "NotAllowedError" ? problem.dataset.cancelled
        : `${problem.dataset.failed} (${error.name})`;
      problem.hidden = false;
      busy = false;
    }
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run(form);
    });
    form.querySelector("button").disabled = false;
    if (!window.PublicKeyCredential) {
      const problem = form.querySelector("[data-problem]");
      problem.textContent = problem.dataset.missing;
      problem.hidden = false;
    } else if ("auto" in form.dataset) {
      run(form);
    }
  }
})();
