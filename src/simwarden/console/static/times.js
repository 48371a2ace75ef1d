// Times as the viewer's clock shows them. The element holds the exact time, which hovering shows.
const two = (number) => String(number).padStart(2, "0");

function shown(at, form) {
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  if (form === "day") return day;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

function ago(at, language) {
  const seconds = Math.round((at - Date.now()) / 1000);
  const words = new Intl.RelativeTimeFormat(language, { numeric: "always", style: "narrow" });
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size * (unit === "day" ? 2 : 1)) return words.format(Math.trunc(seconds / size), unit);
  }
  return words.format(seconds, "second");
}

export function times(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const local = shown(at, "time");
    element.textContent = element.dataset.form === "ago" ? ago(at, document.documentElement.lang) : shown(at, element.dataset.form);
    element.title = `${local} (${Intl.DateTimeFormat().resolvedOptions().timeZone})\n${element.dateTime}`;
  }
}

setInterval(() => times(document), 15000);
