// Conveniences only: every page works without this file.
"use strict";
for (const box of document.querySelectorAll("input.all")) {
  box.hidden = false;
  box.addEventListener("change", () => {
    for (const one of box.form.elements.namedItem("reference") ? box.form.querySelectorAll('input[name="reference"]') : []) {
      one.checked = box.checked;
    }
  });
}
for (const button of document.querySelectorAll("button.print")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
