"use strict";
// Everything here is an addition: without it lists, forms and links work as they are.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  // Only what this server rendered (and escaped) becomes HTML here.
  const policy = window.trustedTypes
    ? trustedTypes.createPolicy("pages", { createHTML: (text) => text })
    : { createHTML: (text) => text };
  const put = (element, text) => {
    // What was opened in it stays open.
    const opened = [...element.querySelectorAll("details")].map((details) => details.open);
    element.innerHTML = policy.createHTML(text);
    element.querySelectorAll("details").forEach((details, index) => { if (index < opened.length) details.open = opened[index]; });
    charts(element);
  };
  const say = (words) => { const place = document.getElementById("say"); if (place) place.textContent = words; };

  // --- menu --------------------------------------------------------------------------------------------
  const menu = document.querySelector(".menu"), nav = document.getElementById("nav");
  if (menu && nav) {
    const narrow = matchMedia("(max-width: 900px)");
    const show = (open) => { nav.classList.toggle("open", open); menu.setAttribute("aria-expanded", String(open)); };
    const fit = () => { menu.hidden = !narrow.matches; show(false); };
    narrow.addEventListener("change", fit);
    fit();
    menu.addEventListener("click", () => show(!nav.classList.contains("open")));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && nav.classList.contains("open")) { show(false); menu.focus(); }
    });
  }

  // --- live --------------------------------------------------------------------------------------------
  const topic = document.body.dataset.live, lamp = document.getElementById("lamp");
  const later = new Map(), shown = new Map();
  const change = (state) => {
    // What can be done follows the state that is told; the server decides anyway.
    if (state.state) for (const link of document.querySelectorAll("[data-in]")) link.hidden = !link.dataset.in.split(" ").includes(state.state);
    for (const [id, words] of Object.entries(state.text || {})) {
      const element = document.getElementById(id);
      if (!element || element.textContent === words) continue;
      if (id === "kpi-alarms" && Number(words.replace(/\D/g, "")) > Number(element.textContent.replace(/\D/g, ""))) say("A new alarm: " + words + " are open");
      element.textContent = words;
    }
    for (const [id, text] of Object.entries(state.html || {})) {
      const element = document.getElementById(id);
      if (!element) continue;
      // Who stands in it keeps what is under the fingers.
      if (element.contains(document.activeElement)) { later.set(id, text); continue; }
      later.delete(id);
      if (shown.get(id) !== text) { put(element, text); shown.set(id, text); }
    }
    for (const [id, named] of Object.entries(state.attr || {})) {
      const element = document.getElementById(id);
      if (element) for (const [name, value] of Object.entries(named)) element.setAttribute(name, value);
    }
    follow(Object.keys(state.html || {}));
  };
  document.addEventListener("focusout", () => setTimeout(() => {
    const waiting = Object.fromEntries(later);
    later.clear();
    change({ html: waiting });
  }));
  if (topic && lamp && window.EventSource) {
    lamp.hidden = false;
    let source = null, again = 0;
    const light = (name, words) => { lamp.className = "lamp " + name; if (lamp.textContent !== words) lamp.textContent = words; };
    const open = () => {
      clearTimeout(again);
      source = new EventSource("/live?topic=" + encodeURIComponent(topic));
      source.onopen = () => light("on", "live");
      source.onmessage = (event) => { light("on", "live"); change(JSON.parse(event.data)); };
      source.onerror = async () => {
        light("off", "reconnecting");
        // A stream that was refused is not tried again by the browser: is it the session that is over?
        if (source.readyState !== EventSource.CLOSED) return;
        again = setTimeout(open, 2000);
        const answer = await fetch("/live?topic=" + encodeURIComponent(topic), { method: "GET", signal: AbortSignal.timeout(1500) }).catch(() => null);
        if (answer && answer.status === 401) { clearTimeout(again); light("off", "signed out"); location.reload(); }
        else if (answer && answer.body) answer.body.cancel();
      };
    };
    const shut = () => { clearTimeout(again); if (source) source.close(); source = null; };
    document.addEventListener("visibilitychange", () => { if (document.hidden) shut(); else if (!source) open(); });
    addEventListener("pagehide", shut);
    addEventListener("pageshow", (event) => { if (event.persisted && !source) open(); });
    if (!document.hidden) open();
  }

  // --- lists -------------------------------------------------------------------------------------------
  const form = document.querySelector("form[data-list]");
  if (form) {
    const list = document.getElementById(form.dataset.list);
    let running = null, timer = 0, asked = location.search;
    const fetchPart = async (address, push) => {
      if (running) running.abort();
      running = new AbortController();
      list.setAttribute("aria-busy", "true");
      const part = new URL(address, location.href);
      if (push) history.pushState(null, "", part);
      asked = part.search;
      part.searchParams.set("part", "1");
      try {
        const answer = await fetch(part, { signal: running.signal });
        if (!answer.ok) { location.reload(); return; }
        put(list, await answer.text());
        const count = list.querySelectorAll("tbody tr").length;
        say(count ? count + " rows" + (list.querySelector("[rel=next]") ? ", there are more" : "") : "nothing fits");
      } catch (error) {
        if (error.name !== "AbortError") say("The head-end does not answer");
      } finally { list.removeAttribute("aria-busy"); }
    };
    const ask = () => {
      const wanted = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
      fetchPart(form.getAttribute("action") + (wanted.size ? "?" + wanted : ""), true);
    };
    form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); ask(); });
    form.addEventListener("input", (event) => { clearTimeout(timer); timer = setTimeout(ask, event.target.type === "search" ? 200 : 0); });
    list.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-page]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      fetchPart(link.href, true).then(() => { list.scrollIntoView(); const first = list.querySelector("a"); if (first) first.focus({ preventScroll: true }); });
    });
    // A link within the page (to its main part) is no other list.
    addEventListener("popstate", () => { if (location.search !== asked) location.reload(); });
  }

  // --- what a form would do ------------------------------------------------------------------------------
  for (const place of document.querySelectorAll("[data-preview]")) {
    const watched = place.dataset.fields.split(" ").map((name) => document.querySelector("[name=" + name + "]"));
    let running = null, timer = 0;
    const look = async () => {
      if (running) running.abort();
      running = new AbortController();
      const asked = new URLSearchParams([["part", "1"], ...watched.map((field) => [field.name, field.value])]);
      const answer = await fetch(place.dataset.preview + "?" + asked, { signal: running.signal }).catch(() => null);
      if (answer && answer.ok) put(place, await answer.text());
    };
    for (const field of watched) field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(look, 250); });
  }

  // --- dialogs -----------------------------------------------------------------------------------------
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !window.HTMLDialogElement) return;
    event.preventDefault();
    const answer = await fetch(link.href + "?part=1").catch(() => null);
    if (!answer || !answer.ok) { location.href = link.href; return; }
    const dialog = document.createElement("dialog");
    put(dialog, await answer.text());
    const form = dialog.querySelector("form");
    dialog.setAttribute("aria-labelledby", form.getAttribute("aria-labelledby"));
    dialog.querySelector("[data-cancel]").addEventListener("click", (press) => { press.preventDefault(); dialog.close(); });
    dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
    document.body.append(dialog);
    dialog.showModal();
    (dialog.querySelector("input:not([type=hidden])") || dialog.querySelector("[data-cancel]")).focus();
  });
  // A form that is on its way is not sent a second time (its key would make it one act anyway).
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.method !== "post" || event.target.matches("[data-quiet]")) return;
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    event.target.dataset.sent = "1";
    if (event.target.dataset.busy && event.submitter) event.submitter.textContent = event.target.dataset.busy;
    setTimeout(() => delete event.target.dataset.sent, 4000);
  });
  addEventListener("pageshow", () => document.querySelectorAll("[data-sent]").forEach((form) => delete form.dataset.sent));

  // --- choosing all --------------------------------------------------------------------------------------
  const all = document.querySelector("[data-all]");
  if (all) {
    const boxes = [...document.querySelectorAll("input[name=alarm]")];
    all.hidden = !boxes.length;
    all.addEventListener("change", () => boxes.forEach((box) => { box.checked = all.checked; }));
  }

  // --- keys of Explain -------------------------------------------------------------------------------------
  // They are this person's: they end with the session.
  const me = document.querySelector("form.me"), forget = () => sessionStorage.removeItem("explain-keys");
  if (me) me.addEventListener("submit", forget); else forget();

  // --- the neighbourhood: one unit in its panel, and what is done there, without leaving the page ----------
  const panel = document.getElementById("panel");
  let looking = 0, wanted = "";
  const fill = (text) => {
    const buttons = () => [...panel.querySelectorAll("button, input:not([type=hidden])")];
    const at = buttons().indexOf(document.activeElement);
    const typed = panel.querySelector("input[name=value]"), value = typed && typed.value;
    put(panel, text);
    if (value && panel.querySelector("input[name=value]")) panel.querySelector("input[name=value]").value = value;
    if (at >= 0) (buttons()[Math.min(at, buttons().length - 1)] || panel).focus({ preventScroll: true });
  };
  const look = async (unit) => {
    wanted = unit;
    const answer = await fetch("/neighbourhood/panel?unit=" + encodeURIComponent(unit)).catch(() => null);
    if (answer && answer.ok && wanted === unit) fill(await answer.text());
    return Boolean(answer && answer.ok);
  };
  function follow(ids) {
    const card = panel && panel.querySelector("[data-follows]");
    if (!card || !ids.includes(card.dataset.follows) || looking) return;
    // Somebody who types a number is left alone.
    looking = setTimeout(() => { looking = 0; if (!document.activeElement.matches("input[name=value]")) look(card.dataset.unit); }, 300);
  }
  if (panel) document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-panel]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (!await look(link.dataset.panel)) { location.href = link.getAttribute("href"); return; }
    history.replaceState(null, "", link.getAttribute("href").split("#")[0]);
    document.querySelectorAll(".tree .chosen").forEach((row) => row.classList.remove("chosen"));
    const row = link.closest(".node");
    if (row) row.classList.add("chosen");
    panel.scrollIntoView({ block: "nearest" });
    panel.focus({ preventScroll: true });
  });
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-quiet]")) return;
    event.preventDefault();
    if (form.dataset.sent) return;
    form.dataset.sent = "1";
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { "X-Part": "1" } }).catch(() => null);
    delete form.dataset.sent;
    if (answer && answer.status === 401) { location.reload(); return; }
    const key = form.querySelector("[name=key]");
    // The same button pushed again is another act.
    if (key && answer) key.value = [...crypto.getRandomValues(new Uint8Array(16))].map((octet) => octet.toString(16).padStart(2, "0")).join("");
    const words = event.submitter ? event.submitter.textContent.trim() : "";
    const said = !answer ? "The head-end does not answer" : answer.ok ? words + ": done" : "That does not work";
    say(said);
    const beside = form.closest("section") && form.closest("section").querySelector(".touched");
    if (beside) beside.textContent = said;
    if (answer && answer.status !== 204 && panel && panel.contains(form)) fill(await answer.text());
  });

  // --- charts --------------------------------------------------------------------------------------------
  function charts(place) {
   for (const chart of place.querySelectorAll("[data-chart]")) {
    const rows = [...document.querySelectorAll("#" + chart.dataset.chart + "-table tbody tr")];
    const reading = document.querySelector("[data-for=" + chart.dataset.chart + "]");
    const pointer = chart.querySelector(".pointer"), unit = (chart.querySelector(".unit") || {}).textContent || "";
    const summary = reading.textContent;
    let at = -1;
    const read = (index) => {
      at = Math.max(0, Math.min(rows.length - 1, index));
      const [when, value, quality] = [...rows[at].cells].map((cell) => cell.textContent.trim());
      reading.textContent = when + ": " + value + (value === "–" ? "" : " " + unit) + (quality ? " (" + quality + ")" : "");
      const place = ((at + 0.5) * 100 / rows.length).toFixed(3) + "%";
      pointer.setAttribute("x1", place);
      pointer.setAttribute("x2", place);
      pointer.setAttribute("visibility", "visible");
    };
    const leave = () => { pointer.setAttribute("visibility", "hidden"); reading.textContent = summary; };
    if (!rows.length) continue;
    chart.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: rows.length - 1, PageUp: at - 10, PageDown: at + 10 };
      if (event.key in steps) { event.preventDefault(); read(at < 0 && event.key === "ArrowLeft" ? rows.length - 1 : steps[event.key]); }
    });
    chart.addEventListener("pointermove", (event) => {
      const box = chart.querySelector(".plot").getBoundingClientRect();
      read(Math.floor((event.clientX - box.left) / box.width * rows.length));
    });
    chart.addEventListener("pointerleave", leave);
    chart.addEventListener("blur", leave);
   }
  }
  charts(document);
})();
