// What the pages do beside showing: keys, questions before something is ended, no asking while nobody looks.
(function () {
  "use strict";
  document.addEventListener("submit", function (event) {
    var question = event.target.getAttribute("data-confirm");
    if (question && !window.confirm(question)) event.preventDefault();
  });
  document.addEventListener("keydown", function (event) {
    var typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    var field = document.querySelector("[data-key='" + (event.key === "/" ? "/" : "none") + "']");
    if (field) {
      event.preventDefault();
      field.focus();
      field.select();
    }
  });
  document.addEventListener("htmx:beforeRequest", function (event) {
    if (document.hidden) event.preventDefault();
  });
  // The menu of a narrow window is wider than the window: the page one is on must be in sight.
  var here = document.querySelector(".side nav [aria-current]");
  if (here && here.parentElement.parentElement.scrollWidth > window.innerWidth) {
    var list = here.parentElement.parentElement;
    list.scrollLeft = here.offsetLeft - (list.clientWidth - here.offsetWidth) / 2;
  }
})();
