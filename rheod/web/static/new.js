/* The form of an item: pictures made smaller and sent one a request while one types, a draft that outlives a reload. */
(() => {
  "use strict";
  const form = document.querySelector("form[data-draft]");
  if (form === null) return;
  const LONGEST = 2048, QUALITY = 0.88, SMALL = 160, WAIT_MS = 700;
  const { elements, dataset: words } = form;
  const list = form.querySelector("[data-pictures]");
  const tools = form.querySelector("[data-tools]");
  const status = form.querySelector("[data-status]");
  const key = `rheod-draft-${elements.draft.value}`;
  let pictures = [], chosen = null, sending = Promise.resolve(), timer = 0, isSent = false;

  for (const plain of form.querySelectorAll("[data-plain]")) plain.remove();
  form.removeAttribute("data-plain-files");
  if (words.here) history.replaceState(null, "", words.here);
  /* What was typed and could not be sent: a phone reloads the page when its camera takes the memory. */
  function restore() {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem(key));
    } catch { /* no storage, or not ours */ }
    if (kept === null || Number(kept.fields.seq) <= Number(elements.seq.value)) return;
    for (const [name, value] of Object.entries(kept.fields)) {
      const field = elements.namedItem(name);
      if (field === null || ["form_token", "once", "draft"].includes(name)) continue;
      if (field.type === "checkbox") field.checked = true;
      else field.value = value;
    }
    later(0);
  }

  function fields() {
    const given = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (typeof value === "string") given.append(name, value);
    return given;
  }

  function changed(wait = WAIT_MS) {
    elements.seq.value = Number(elements.seq.value) + 1;
    elements.pictures.value = pictures.filter((each) => each.url).map((each) => each.url).join(" ");
    try {
      const old = Object.keys(localStorage).filter((each) => each.startsWith("rheod-draft-") && each !== key);
      for (const each of old.slice(0, Math.max(0, old.length - 4))) localStorage.removeItem(each);
      localStorage.setItem(key, JSON.stringify({ fields: Object.fromEntries(fields()) }));
    } catch { /* the server keeps it */ }
    count();
    later(wait);
  }

  function later(wait) {
    clearTimeout(timer);
    timer = setTimeout(keep, wait);
  }

  /* Keeps the draft on the server, and shows anew what follows from it: categories, attributes, freight, the ad. */
  async function keep(last = false) {
    const sent = fields();
    let answer;
    try {
      answer = await fetch(words.draft, { method: "POST", body: sent, keepalive: last === true });
    } catch {
      return say(words.offline);
    }
    if (answer.status === 401) return say(words.signedOut, words.signIn);
    if (!answer.ok || elements.seq.value !== sent.get("seq")) return;
    say("");
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const focus = document.activeElement?.id;
    for (const part of form.querySelectorAll("[data-part]")) {
      const other = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
      if (other === null) continue;
      const { key: before } = part.dataset, { key: after } = other.dataset;
      if (before === undefined ? part.innerHTML === other.innerHTML : before === after) continue;
      if (after !== undefined) part.dataset.key = after;
      part.replaceChildren(...other.childNodes);
    }
    if (focus && document.activeElement?.id !== focus) document.getElementById(focus)?.focus();
    if (form.querySelector("[data-again]") !== null) later(2000);
  }

  function say(sentence, address) {
    status.textContent = sentence;
    if (!address) return;
    const link = document.createElement("a");
    link.href = address;
    link.textContent = words.signInWord;
    status.append(" ", link);
  }

  function count() {
    const output = form.querySelector("[data-count]");
    if (output !== null) output.textContent = words.count.replace("{n}", [...elements.title.value].length);
  }

  function canvasOf(bitmap, longest, turned = false) {
    const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = turned ? [height, width] : [width, height];
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (turned) {
      context.translate(canvas.width, 0);
      context.rotate(Math.PI / 2);
    }
    context.drawImage(bitmap, 0, 0, width, height);
    return canvas;
  }

  const asJpeg = (canvas) => new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));

  /* Upright, in sRGB and at most 2,048 pixels; the original where it cannot be read here, or would only grow. */
  async function prepare(each) {
    try {
      const bitmap = await createImageBitmap(each.file, { imageOrientation: "from-image" });
      each.small = canvasOf(bitmap, SMALL);
      draw();
      const blob = await asJpeg(canvasOf(bitmap, LONGEST));
      bitmap.close();
      return blob !== null && blob.size < each.file.size ? blob : each.file;
    } catch {
      return each.file;
    }
  }

  async function send(each, blob) {
    each.wrong = "";
    let answer;
    try {
      const headers = { "Content-Type": blob.type || "application/octet-stream" };
      answer = await fetch("/rheod/pictures", { method: "POST", body: blob, headers });
      const told = await answer.json();
      if (answer.ok) each.url = told.url;
      else if (answer.status === 401) say(words.signedOut, words.signIn);
      if (!answer.ok) each.wrong = told.details?.[0]?.message ?? (answer.status === 401 ? words.signedOut : told.error);
    } catch {
      each.wrong = answer?.status === 413 ? words.tooLarge : words.offline;
    }
    each.again = each.wrong ? blob : null;
  }

  function queue(work) {
    sending = sending.then(work).then(() => {
      draw();
      changed(0);
    });
  }

  function add(files) {
    for (const file of files) {
      const each = { file, url: "", busy: true };
      pictures.push(each);
      queue(async () => {
        await send(each, await prepare(each));
        each.busy = false;
        each.file = null;
      });
    }
    draw();
  }

  const shown = JSON.parse(words.shown);
  const fileOf = (url) => shown[url] ?? (url.startsWith("upload:") ? `${url.slice(7, 9)}/${url.slice(7)}.jpg` : "");

  function turn(each) {
    each.busy = true;
    queue(async () => {
      try {
        const whole = await (await fetch(`/images/${fileOf(each.url)}`)).blob();
        const bitmap = await createImageBitmap(whole);
        const canvas = canvasOf(bitmap, LONGEST, true);
        each.small = canvasOf(canvas, SMALL);
        await send(each, await asJpeg(canvas));
      } catch {
        each.wrong = words.offline;
      }
      each.busy = false;
    });
    draw();
  }

  function move(each, by) {
    const from = pictures.indexOf(each), to = Math.max(0, Math.min(pictures.length - 1, from + by));
    pictures.splice(to, 0, ...pictures.splice(from, 1));
  }

  /* A picture that is dragged stays where it is among the elements, and the others step around it: so it keeps the pointer. */
  function drag(item, button) {
    let from = null, isMoved = false;
    button.addEventListener("pointerdown", (event) => {
      if (!event.isPrimary || event.button !== 0) return;
      from = [event.clientX, event.clientY];
      button.setPointerCapture(event.pointerId); // a quick hand has left it before the first move is told
    });
    button.addEventListener("pointermove", (event) => {
      if (from === null) return;
      if (!isMoved && Math.hypot(event.clientX - from[0], event.clientY - from[1]) < 10) return;
      isMoved = true;
      item.classList.add("dragged");
      const items = [...list.children], at = items.indexOf(item);
      const to = items.findIndex((other) => {
        const { left, right, top, bottom } = other.getBoundingClientRect();
        return event.clientX >= left && event.clientX <= right && event.clientY >= top && event.clientY <= bottom;
      });
      if (to > at) item.before(...items.slice(at + 1, to + 1));
      else if (to >= 0 && to < at) item.after(...items.slice(to, at));
      else return;
      pictures.splice(to, 0, ...pictures.splice(at, 1));
    });
    const end = () => {
      from = null;
      if (!isMoved) return;
      isMoved = false;
      draw();
      changed();
    };
    button.addEventListener("pointerup", end);
    button.addEventListener("pointercancel", end);
  }

  function draw() {
    const at = [...list.children].findIndex((item) => item.contains(document.activeElement));
    list.replaceChildren(...pictures.map((each, number) => {
      const item = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      button.className = "photo";
      button.setAttribute("aria-pressed", each === chosen);
      button.setAttribute("aria-label", words.picture.replace("{n}", number + 1));
      if (each.small) button.append(each.small);
      else if (fileOf(each.url)) {
        const image = document.createElement("img");
        image.src = `/images/${fileOf(each.url).replace(".jpg", ".160.webp")}`;
        image.alt = "";
        image.draggable = false;
        button.append(image);
      }
      drag(item, button);
      button.addEventListener("click", () => {
        chosen = each === chosen ? null : each;
        draw();
      });
      item.append(button);
      const note = document.createElement("small");
      note.textContent = each.wrong || (each.busy ? words.sending : number === 0 ? words.first : "");
      note.className = each.wrong ? "error" : "";
      item.append(note);
      return item;
    }));
    list.children[at]?.firstChild.focus();
    if (!pictures.includes(chosen)) chosen = null;
    tools.hidden = chosen === null;
    for (const button of tools.children) {
      const done = button.dataset.do;
      button.hidden = done === "again" ? !chosen?.again : false;
      button.disabled = done === "turn" && (!fileOf(chosen?.url ?? "") || chosen.busy);
    }
  }

  tools.addEventListener("click", (event) => {
    const done = event.target.closest("button")?.dataset.do, each = chosen;
    if (!done || each === null) return;
    if (done === "turn") return turn(each);
    if (done === "again") {
      each.busy = true;
      return queue(async () => {
        await send(each, each.again);
        each.busy = false;
      });
    }
    if (done === "drop") pictures = pictures.filter((other) => other !== each);
    else move(each, { first: -pictures.length, left: -1, right: 1 }[done]);
    draw();
    changed();
  });

  for (const input of form.querySelectorAll("input[type=file]")) {
    input.removeAttribute("name");
    input.addEventListener("click", () => keep(true));
    input.addEventListener("change", () => {
      add([...input.files]);
      input.value = "";
    });
  }

  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.tagName === "INPUT") event.preventDefault(); // only buttons send it
  });
  form.addEventListener("input", (event) => {
    if (event.target.type !== "file") changed(event.target.name === "words" ? 250 : WAIT_MS);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden" && timer) keep(true);
  });
  form.addEventListener("submit", async (event) => {
    if (isSent) return event.preventDefault();
    if (pictures.some((each) => each.busy)) {
      event.preventDefault();
      isSent = true;
      say(words.waits);
      await sending;
      isSent = false;
      say("");
      return form.requestSubmit(event.submitter);
    }
    isSent = true;
    clearTimeout(timer);
  });
  addEventListener("pageshow", () => {
    isSent = false;
  });

  restore();
  pictures = elements.pictures.value.split(" ").filter(Boolean).map((url) => ({ url }));
  draw();
  count();
  if (form.querySelector("[data-again]") !== null) later(2000);
})();
