// Live parts: the server sends new content for elements with data-part. The browser connects again when the connection
// breaks; meanwhile the page says that what it shows is old.
import { replaced } from "./parts.js";

export function live() {
  const path = document.querySelector("[data-live]")?.dataset.live;
  if (!path) return;
  let source = null;
  let pause = 2000;
  let lost = 0;
  // Streams are short and begin again: only one that does not is said to be lost.
  const state = (name) => {
    clearTimeout(lost);
    if (name === "live") document.body.dataset.connection = name;
    else lost = setTimeout(() => { document.body.dataset.connection = name; }, 3000);
  };
  const connect = () => {
    source = new EventSource(path);
    source.addEventListener("open", () => { state("live"); pause = 2000; });
    source.addEventListener("part", (event) => {
      const [name, ...lines] = event.data.split("\n");
      for (const element of document.querySelectorAll(`[data-part="${CSS.escape(name)}"]`)) {
        if (element.contains(document.activeElement) && element !== document.activeElement) continue;
        replaced(element, lines.join("\n"));
      }
    });
    source.addEventListener("signed-out", () => { source.close(); location.reload(); });
    source.addEventListener("error", () => {
      state("lost");
      if (source.readyState === EventSource.CLOSED) {
        setTimeout(connect, pause);
        pause = Math.min(pause * 2, 30000);
      }
    });
  };
  connect();
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
}
