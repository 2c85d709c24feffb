"use strict";
// Keys stay in this tab; octets and layers point at each other. Without it the page explains all the same.
(() => {
  // --- keys --------------------------------------------------------------------------------------------
  const form = document.querySelector("[data-explain]");
  if (form) {
    const place = "explain-keys", box = form.querySelector("[data-keys]"), forget = form.querySelector("[data-forget]");
    const inputs = [...box.querySelectorAll("input")], text = form.elements.text, most = Number(form.dataset.most);
    let kept = {};
    try { kept = JSON.parse(sessionStorage.getItem(place)) || {}; } catch { kept = {}; }
    const show = () => { forget.hidden = !inputs.some((input) => input.value); };
    for (const input of inputs) if (typeof kept[input.name] === "string") input.value = kept[input.name];
    if (inputs.some((input) => input.value)) box.open = true;
    show();
    box.addEventListener("input", () => {
      sessionStorage.setItem(place, JSON.stringify(Object.fromEntries(inputs.map((input) => [input.name, input.value]))));
      show();
    });
    forget.addEventListener("click", () => {
      sessionStorage.removeItem(place);
      for (const input of inputs) input.value = "";
      show();
      inputs[0].focus();
      const words = document.getElementById("say");
      if (words) words.textContent = "The keys are forgotten";
    });
    text.addEventListener("input", () => {
      text.setCustomValidity(text.value.length > most ? "This is too much at once: at most " + most + " signs" : "");
    });
  }

  // --- sheets ------------------------------------------------------------------------------------------
  const sheets = document.querySelectorAll("[data-sheet]");
  const within = (node) => [node, ...(node.nextElementSibling ? node.nextElementSibling.querySelectorAll(".node") : [])];
  sheets.forEach((sheet, index) => {
    const runs = [...sheet.querySelectorAll(".o[data-n]")], nodes = [...sheet.querySelectorAll(".node")];
    const tree = sheet.querySelector(".tree"), octets = sheet.querySelector(".octets"), now = sheet.querySelector(".now");
    if (!nodes.length) return;
    const byNumber = new Map(nodes.map((node) => [node.dataset.n, node])), runsOf = new Map();
    for (const run of runs) runsOf.set(run.dataset.n, [...(runsOf.get(run.dataset.n) || []), run]);
    const runsIn = (node) => within(node).flatMap((one) => runsOf.get(one.dataset.n) || []);
    let lit = [];
    const light = (node) => {
      for (const element of lit) element.classList.remove("lit");
      lit = node ? [node, ...runsIn(node)] : [];
      for (const element of lit) element.classList.add("lit");
    };
    const words = (node) => node.querySelector(".said").innerText.replace(/\s+/g, " ") + ", " + node.querySelector(".where").innerText;
    // Where one is: the tree has one stop for Tab, the octets another.
    let here = nodes[0], focused = null;
    const seen = (node) => !node.closest("ul[hidden]");
    const step = (node) => { here.tabIndex = -1; here = node; here.tabIndex = 0; };
    const go = (node) => {
      for (let list = node.parentElement.parentElement; list !== tree; list = list.parentElement.parentElement) if (list.hidden) fold(list.previousElementSibling, true);
      step(node);
      node.focus();
    };
    const fold = (node, open) => { node.nextElementSibling.hidden = !open; node.setAttribute("aria-expanded", String(open)); };
    tree.setAttribute("role", "tree");
    for (const node of nodes) {
      const inner = node.nextElementSibling;
      node.setAttribute("role", "treeitem");
      node.parentElement.setAttribute("role", "none");
      node.tabIndex = node === here ? 0 : -1;
      let depth = 1;
      for (let list = node.parentElement.parentElement; list !== tree; list = list.parentElement.parentElement) depth += 1;
      node.setAttribute("aria-level", String(depth));
      if (inner) {
        inner.setAttribute("role", "group");
        inner.id = "within-" + index + "-" + node.dataset.n;
        node.setAttribute("aria-owns", inner.id);
        node.setAttribute("aria-expanded", "true");
      }
    }
    tree.addEventListener("focusin", (event) => { const node = event.target.closest(".node"); if (node) { focused = node; step(node); light(node); show(node); } });
    tree.addEventListener("focusout", () => { focused = null; light(null); });
    tree.addEventListener("pointerover", (event) => { const node = event.target.closest(".node"); if (node) light(node); });
    tree.addEventListener("pointerleave", () => light(focused));
    tree.addEventListener("click", (event) => {
      const node = event.target.closest(".node");
      if (!node || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      node.focus();
    });
    // The octets of a layer come into sight, in their own box: the page stays where it is.
    const show = (node) => {
      const first = runsIn(node)[0];
      if (!first) return;
      const box = octets.getBoundingClientRect(), place = first.getBoundingClientRect();
      if (place.top < box.top || place.bottom > box.bottom) octets.scrollTop += place.top - box.top - box.height / 3;
    };
    tree.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !event.target.closest(".node")) return;
      const list = nodes.filter(seen), at = list.indexOf(here), inner = here.nextElementSibling;
      const above = here.parentElement.parentElement.previousElementSibling;
      let to = null;
      if (event.key === "ArrowDown") to = list[at + 1];
      else if (event.key === "ArrowUp") to = list[at - 1];
      else if (event.key === "Home") to = list[0];
      else if (event.key === "End") to = list[list.length - 1];
      else if (event.key === "ArrowRight") { if (inner && inner.hidden) fold(here, true); else if (inner) to = list[at + 1]; }
      else if (event.key === "ArrowLeft") { if (inner && !inner.hidden) fold(here, false); else if (above && above.classList.contains("node")) to = above; }
      else if (event.key === "Enter" || event.key === " ") { const own = runsIn(here)[0]; if (own) read(runs.indexOf(own), true); }
      else return;
      event.preventDefault();
      if (to) go(to);
    });

    let at = -1;
    const read = (number, focus) => {
      at = Math.max(0, Math.min(runs.length - 1, number));
      const node = byNumber.get(runs[at].dataset.n);
      if (focus) octets.focus();
      light(node);
      show(node);
      now.textContent = words(node);
    };
    octets.tabIndex = 0;
    octets.addEventListener("focus", () => { if (at >= 0) read(at); });
    octets.addEventListener("blur", () => { light(null); now.textContent = ""; });
    octets.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      // From place to place: a place that goes on in the next row is one.
      const next = (by) => { let to = at + by; while (runs[to] && at >= 0 && runs[to].dataset.n === runs[at].dataset.n) to += by; return to; };
      const steps = { ArrowRight: () => next(1), ArrowDown: () => next(1), ArrowLeft: () => next(-1), ArrowUp: () => next(-1), Home: () => 0, End: () => runs.length - 1 };
      if (event.key in steps) { event.preventDefault(); read(steps[event.key]()); }
      else if (event.key === "Enter" && at >= 0) { event.preventDefault(); go(byNumber.get(runs[at].dataset.n)); }
    });
    octets.addEventListener("pointerover", (event) => {
      const run = event.target.closest(".o[data-n]");
      if (!run) return;
      const node = byNumber.get(run.dataset.n);
      light(node);
      now.textContent = words(node);
    });
    octets.addEventListener("pointerleave", () => { light(focused); now.textContent = ""; });
    octets.addEventListener("click", (event) => {
      const run = event.target.closest(".o[data-n]");
      if (run) go(byNumber.get(run.dataset.n));
    });
  });
})();
