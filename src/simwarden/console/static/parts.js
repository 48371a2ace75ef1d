// Parts of a page that are fetched again: results while one types (data-search), and what changes by itself (data-refresh).
import { times } from "./times.js";
import { selection } from "./selection.js";

let latest = 0;

export function replaced(element, html) {
  element.innerHTML = html;
  times(element);
  selection(element);
}

async function fetched(address, name) {
  const mine = ++latest;
  const answer = await fetch(address, { headers: { accept: "text/html" } });
  if (answer.redirected && new URL(answer.url).pathname.endsWith("/sign-in")) location.assign(location.href);
  if (!answer.ok || mine !== latest) return null;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector(`[data-part="${name}"]`);
}

// What the fields say, and what they would say as the server sent them.
const said = (form) => String(new URLSearchParams(new FormData(form)));
function served(form) {
  const copy = form.cloneNode(true);
  copy.reset();
  return said(copy);
}

function search(form) {
  const name = form.dataset.search;
  let timer = 0;
  const load = async () => {
    const fields = [...new FormData(form)].filter(([, value]) => value !== "");
    const address = `${form.getAttribute("action")}?${new URLSearchParams(fields)}`;
    const part = document.querySelector(`[data-part="${name}"]`);
    part.setAttribute("aria-busy", "true");
    const fresh = await fetched(address, name).catch(() => null);
    if (fresh) {
      replaced(part, fresh.innerHTML);
      history.replaceState(null, "", address);
    }
    part.removeAttribute("aria-busy");
  };
  form.addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(load, event.target.type === "search" || event.target.type === "text" ? 200 : 0);
  });
  if (said(form) !== served(form)) load(); // typed before this script ran
}

function refresh(part) {
  const again = async () => {
    if (!document.hidden) {
      const fresh = await fetched(location.href, part.dataset.part).catch(() => null);
      if (fresh) {
        if (fresh.innerHTML !== part.innerHTML && !part.contains(document.activeElement)) replaced(part, fresh.innerHTML);
        if (!fresh.dataset.refresh) return;
      }
    }
    setTimeout(again, Number(part.dataset.refresh) * 1000);
  };
  setTimeout(again, Number(part.dataset.refresh) * 1000);
}

export function parts() {
  document.querySelectorAll("form[data-search]").forEach(search);
  document.querySelectorAll("[data-part][data-refresh]").forEach(refresh);
}
