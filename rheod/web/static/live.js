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

  if (document.querySelector("[data-live]") !== null) {
    setInterval(refresh, EVERY_MS);
    document.addEventListener("visibilitychange", refresh);
  }
})();
