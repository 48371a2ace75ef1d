// Rows of a list that are chosen: one box chooses all that are shown, and what can be done with them appears.
export function selection(root) {
  root.querySelector("form.goes-on")?.requestSubmit();
  for (const form of root.querySelectorAll("form[data-selection]")) {
    const all = form.querySelector("[data-all]");
    const boxes = () => [...form.querySelectorAll("input[name=sim]")];
    const tell = () => {
      const chosen = boxes().filter((box) => box.checked).length;
      for (const element of form.querySelectorAll("[data-chosen]")) element.textContent = String(chosen);
      for (const button of form.querySelectorAll("[data-needs-choice]")) button.disabled = chosen === 0;
      if (all) {
        all.checked = chosen > 0 && chosen === boxes().length;
        all.indeterminate = chosen > 0 && chosen < boxes().length;
      }
    };
    all?.addEventListener("change", () => { boxes().forEach((box) => { box.checked = all.checked; }); tell(); });
    form.addEventListener("change", tell);
    tell();
  }
  for (const select of root.querySelectorAll("select[data-shows]")) {
    const tell = () => {
      for (const element of select.form.querySelectorAll("[data-for]")) {
        element.hidden = !element.dataset.for.split(" ").includes(select.value);
      }
    };
    select.addEventListener("change", tell);
    tell();
  }
  for (const input of root.querySelectorAll("input[type=file][data-into]")) {
    input.addEventListener("change", async () => {
      const area = document.getElementById(input.dataset.into);
      if (input.files[0] && area) area.value = await input.files[0].text();
    });
  }
}
