// Shows one ballot after another. What models said only ever becomes textContent, never markup.
(function () {
  "use strict";
  var now = null, busy = true, took = { left: "left", right: "right" };
  var PRESSED = {
    "1": "left", ArrowLeft: "left", "2": "right", ArrowRight: "right", "0": "tie", "=": "tie", "9": "bad", x: "bad", s: "skip",
  };

  function at(id) {
    return document.getElementById(id);
  }
  // Characters that reorder or hide text are dropped: what is read is what was written.
  function clean(text) {
    return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "");
  }
  function show(found) {
    now = found;
    at("done").textContent = found.done.toLocaleString("en-US") + " of " + found.total.toLocaleString("en-US");
    at("rater").textContent = found.rater ? "· " + clean(found.rater) : "";
    at("progress").max = Math.max(found.total, 1);
    at("progress").value = found.done;
    at("undo").disabled = !found.undo;
    at("undo-end").disabled = !found.undo;
    at("booth").hidden = found.key === null;
    at("end").hidden = found.key !== null;
    if (found.key !== null) {
      at("question").textContent = clean(found.question);
      at("left").textContent = clean(found.left);
      at("right").textContent = clean(found.right);
      at("expected-box").hidden = found.expected.length === 0;
      at("expected-box").open = false;
      at("expected").textContent = clean(found.expected.join("\n"));
      ["question", "left", "right"].forEach(function (id) { at(id).scrollTop = 0; });
      window.scrollTo(0, 0);
    } else {
      at("thanks").textContent = found.total ? "Everything is voted on" : "There is nothing to vote on: wherever both answered, they said the same";
    }
    mark(null);
    document.documentElement.setAttribute("data-ballot", found.key || "none");
  }
  function mark(side) {
    Object.keys(took).forEach(function (name) { at("answer-" + name).classList.toggle("took", name === side); });
  }
  function ask(path, body) {
    busy = true;
    return fetch(path, {
      method: body === undefined ? "GET" : "POST", credentials: "omit", cache: "no-store",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    }).then(function (answer) {
      return answer.json().then(function (found) {
        if (!answer.ok) throw new Error(found.error);
        at("trouble").textContent = "";
        busy = false;
        return found;
      });
    }).catch(function (error) {
      busy = false;
      mark(null);
      at("trouble").textContent = error instanceof TypeError
        ? "The command that this page belongs to has ended. Every vote is kept: start it again to go on." : clean(error.message);
      throw error;
    });
  }
  function quiet() {}
  function press(choice) {
    if (busy || now === null || now.key === null) return;
    mark(choice);
    ask("vote", { key: now.key, choice: choice }).then(show).catch(quiet);
  }
  function undo() {
    if (!busy && now !== null && now.undo) ask("undo", {}).then(show).catch(quiet);
  }
  function end() {
    if (busy) return;
    ask("end", {}).then(function (found) {
      busy = true;
      now = null;
      at("booth").hidden = true;
      at("end").hidden = false;
      at("thanks").textContent = "Thank you";
      at("end-buttons").hidden = true;
      at("sentences").textContent = clean(found.sentences.join("\n\n"));
      document.documentElement.setAttribute("data-ballot", "ended");
    }).catch(quiet);
  }

  Array.prototype.forEach.call(document.querySelectorAll("[data-press]"), function (button) {
    button.addEventListener("click", function () { press(button.dataset.press); button.blur(); });
  });
  ["undo", "undo-end"].forEach(function (id) { at(id).addEventListener("click", undo); });
  ["finish", "finish-end"].forEach(function (id) { at(id).addEventListener("click", end); });
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    var key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === "u" || key === "Backspace") {
      event.preventDefault();
      undo();
    } else if (Object.prototype.hasOwnProperty.call(PRESSED, key)) {
      event.preventDefault();
      press(PRESSED[key]);
    }
  });
  ask("state").then(show).catch(quiet);
})();
