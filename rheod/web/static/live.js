/* Keeps the parts of a page fresh that are only read: what holds a form, a tick, an open fold or the focus is left alone. */
(() => {
  "use strict";
  const EVERY_MS = 15000;
  const inUse = (part) =>
    part.querySelector("form, :checked, details[open]") !== null || part.contains(document.activeElement);

  async function refresh() {
    if (document.visibilityState !== "visible") return;
    let page;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" }, cache: "no-store" });
      if (!answer.ok || answer.redirected) return;
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      return; // no connection: what is shown stays, with the time it was read
    }
    for (const part of document.querySelectorAll("[data-live]")) {
      const fresh = page.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
      if (fresh === null || inUse(part) || part.innerHTML === fresh.innerHTML) continue;
      part.replaceChildren(...fresh.childNodes);
    }
  }

  /* What a form would come to is shown while one types: its preview does nothing at the server. */
  async function preview(form) {
    let page;
    try {
      const body = new URLSearchParams(new FormData(form));
      const answer = await fetch(form.dataset.preview, { method: "POST", body, cache: "no-store" });
      if (!answer.ok || answer.redirected) return;
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      return; // no connection: the button beside it still asks
    }
    const fresh = page.querySelector("[data-shown]");
    if (fresh !== null) document.querySelector("[data-shown]").replaceChildren(...fresh.childNodes);
  }

  for (const form of document.querySelectorAll("form[data-preview]")) {
    let soon;
    form.addEventListener("input", () => {
      clearTimeout(soon);
      soon = setTimeout(preview, 400, form);
    });
  }

  /* An address is copied with one tap; without script it is marked with one. */
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(text.innerText.trim());
      } catch {
        getSelection().selectAllChildren(text); // only what came encrypted may write the clipboard
        if (!document.execCommand("copy")) return;
      }
      button.textContent = button.dataset.copied;
    });
  }

  if (document.querySelector("[data-live]") !== null) {
    setInterval(refresh, EVERY_MS);
    document.addEventListener("visibilitychange", refresh);
  }
})();
