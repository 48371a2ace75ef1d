// Keys: "/" to search, "g" and a letter to go to a page, Escape to leave a field.
const PAGES = { o: "/console", s: "/console/sims", a: "/console/alarms", e: "/console/elements" };
let going = 0;

export function keys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const field = event.target.closest("input, select, textarea, [contenteditable]");
    if (field) {
      if (event.key === "Escape") field.blur();
      return;
    }
    if (event.key === "/") {
      const search = document.querySelector("[data-search] input[type=search], #find");
      if (search) {
        event.preventDefault();
        search.focus();
        search.select();
      }
    } else if (event.key === "g") {
      going = Date.now();
    } else if (Date.now() - going < 1500 && PAGES[event.key]) {
      location.assign(PAGES[event.key]);
    }
  });
}
