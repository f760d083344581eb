// The browser of disagreements and the plots of the frontier. What models said only ever becomes textContent or canvas
// text, never markup.
(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("data").textContent);
  var PAGE = 200, MOST_CELLS = 4e6;
  var FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif';
  var found = [], chosen = -1, drawn = 0, versus = 0;

  function at(id) {
    return document.getElementById(id);
  }
  // Characters that reorder or hide text are dropped: what is read is what was written.
  function clean(text) {
    return String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "");
  }
  function made(name, cls, text) {
    var box = document.createElement(name);
    if (cls) box.className = cls;
    if (text !== undefined) box.textContent = clean(text);
    return box;
  }
  function score(value) {
    return String(Number(value.toFixed(3)));
  }
  function signed(value) {
    var points = Number((Math.abs(value) * 100).toFixed(1));
    return points === 0 ? "0" : (value < 0 ? "−" : "+") + points;
  }

  // ------------------------------------------------------------------------------------------------------------- words

  function words(text) {
    return text.match(/\s+|[\p{L}\p{M}\p{N}_]+|[^\s]/gu) || [];
  }
  // Which words of each text stand in the longest common row of words; null where the texts are too long to compare.
  function common(ours, theirs) {
    var start = 0, end = 0, n = ours.length, m = theirs.length, kept = [new Uint8Array(n), new Uint8Array(m)];
    while (start < n && start < m && ours[start] === theirs[start]) start += 1;
    while (end < n - start && end < m - start && ours[n - 1 - end] === theirs[m - 1 - end]) end += 1;
    var rows = n - start - end, columns = m - start - end, wide = columns + 1;
    if ((rows + 1) * wide > MOST_CELLS) return null;
    kept[0].fill(1, 0, start); kept[1].fill(1, 0, start);
    kept[0].fill(1, n - end); kept[1].fill(1, m - end);
    var length = new Uint16Array((rows + 1) * wide), i, j;
    for (i = rows - 1; i >= 0; i -= 1) {
      for (j = columns - 1; j >= 0; j -= 1) {
        length[i * wide + j] = ours[start + i] === theirs[start + j]
          ? length[(i + 1) * wide + j + 1] + 1 : Math.max(length[(i + 1) * wide + j], length[i * wide + j + 1]);
      }
    }
    i = 0; j = 0;
    while (i < rows && j < columns) {
      if (ours[start + i] === theirs[start + j]) { kept[0][start + i] = 1; kept[1][start + j] = 1; i += 1; j += 1; }
      else if (length[(i + 1) * wide + j] >= length[i * wide + j + 1]) i += 1;
      else j += 1;
    }
    return kept;
  }
  function marked(box, list, kept) {
    var from = 0;
    while (from < list.length) {
      var to = from + 1;
      while (to < list.length && kept[to] === kept[from]) to += 1;
      var text = list.slice(from, to).join("");
      box.appendChild(kept[from] || !text.trim() ? document.createTextNode(text) : made("mark", "", text));
      from = to;
    }
  }

  // ------------------------------------------------------------------------------------------------------ disagreements

  function rows() {
    return data.versus[versus].rows;
  }
  function search() {
    var wanted = at("find").value.trim().toLowerCase().split(/\s+/).filter(Boolean), kind = at("kind").value, tag = at("tag").value;
    found = rows().filter(function (row) {
      if (kind === "lost" && row.loss <= 0 || kind === "won" && row.loss >= 0) return false;
      if (tag && row.tags.indexOf(tag) < 0) return false;
      if (!wanted.length) return true;
      row.text = row.text || [row.sample, row.prompt, row.ours, row.theirs, row.expected.join(" "), row.tags.join(" ")].join(" ").toLowerCase();
      return wanted.every(function (word) { return row.text.indexOf(word) >= 0; });
    });
    var order = at("order").value;
    if (order === "won") found.reverse();
    if (order === "file") found.sort(function (a, b) { return a.line - b.line; });
    drawn = 0;
    at("list").textContent = "";
    at("list").scrollTop = 0;
    more();
    at("count").textContent = found.length.toLocaleString("en-US") + " of " + rows().length.toLocaleString("en-US");
    choose(found.length ? 0 : -1, true);
  }
  function more() {
    var until = Math.min(drawn + PAGE, found.length), part = document.createDocumentFragment();
    for (; drawn < until; drawn += 1) {
      var row = found[drawn], item = made("li");
      item.id = "row-" + drawn;
      item.dataset.at = String(drawn);
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      item.appendChild(made("b", row.loss > 0 ? "wrong" : "right", signed(-row.loss)));
      item.appendChild(made("span", "", row.prompt.slice(0, 160) || row.sample));
      part.appendChild(item);
    }
    at("list").appendChild(part);
    at("further").hidden = drawn >= found.length;
    at("further").textContent = "Show more (" + (found.length - drawn).toLocaleString("en-US") + ")";
  }
  function choose(place, quietly) {
    while (place >= drawn && drawn < found.length) more();
    var before = at("row-" + chosen), item = at("row-" + place);
    if (before) before.setAttribute("aria-selected", "false");
    chosen = place;
    if (item) {
      item.setAttribute("aria-selected", "true");
      at("list").setAttribute("aria-activedescendant", item.id);
      if (!quietly) item.scrollIntoView({ block: "nearest" });
    } else at("list").removeAttribute("aria-activedescendant");
    show(place < 0 ? null : found[place]);
  }
  function side(name, said, value, why, cls) {
    var box = made("div", "side " + cls + (value >= 1 ? " good" : value <= 0 ? " bad" : "")), head = made("h4");
    head.appendChild(made("span", "", name));
    head.appendChild(made("span", "", score(value)));
    box.appendChild(head);
    if (why) box.appendChild(made("p", "small", why));
    box.appendChild(said);
    return box;
  }
  function show(row) {
    var box = at("detail");
    box.textContent = "";
    if (!row) {
      box.appendChild(made("p", "small", "Nothing here fits the search."));
      return;
    }
    box.appendChild(made("h3", "", row.sample));
    var facts = [row.line ? "line " + row.line : "", row.tags.join(", "),
      row.loss > 0 ? "lost " + score(row.loss) : "won " + score(-row.loss)];
    box.appendChild(made("p", "small", facts.filter(Boolean).join(" · ")));
    box.appendChild(made("div", "prompt", row.prompt));
    if (row.expected.length) {
      box.appendChild(made("p", "small", "What would be right"));
      box.appendChild(made("div", "prompt", row.expected.join("\n")));
    }
    var ours = words(clean(row.ours)), theirs = words(clean(row.theirs)), kept = common(ours, theirs), boxes = [made("div", "said"), made("div", "said")];
    if (kept === null) {
      boxes[0].textContent = clean(row.ours);
      boxes[1].textContent = clean(row.theirs);
      box.appendChild(made("p", "small", "Both answers are too long to mark the words in which they differ."));
    } else {
      marked(boxes[0], ours, kept[0]);
      marked(boxes[1], theirs, kept[1]);
    }
    boxes.forEach(function (one) { one.tabIndex = 0; });
    var sides = made("div", "sides");
    sides.appendChild(side(data.versus[versus].candidate, boxes[0], row.our_score, row.our_detail, "ours"));
    sides.appendChild(side(data.reference, boxes[1], row.their_score, row.their_detail, "theirs"));
    box.appendChild(sides);
  }
  function tags() {
    var counts = new Map(), list = at("tag");
    rows().forEach(function (row) { row.tags.forEach(function (tag) { counts.set(tag, (counts.get(tag) || 0) + 1); }); });
    while (list.options.length > 1) list.remove(1);
    Array.from(counts).sort(function (a, b) { return b[1] - a[1]; }).slice(0, 200).forEach(function (pair) {
      var one = made("option", "", pair[0] + " (" + pair[1] + ")");
      one.value = pair[0];
      list.appendChild(one);
    });
    list.hidden = counts.size === 0;
  }
  function typing(target) {
    return target && /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
  }
  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    var inside = document.activeElement === at("list"), step = null;
    if (event.key === "Escape" && event.target === at("find")) { at("find").value = ""; search(); at("list").focus(); return; }
    if (typing(event.target)) return;
    if (event.key === "/") { event.preventDefault(); at("find").focus(); at("find").select(); return; }
    if (event.key === "j" || inside && event.key === "ArrowDown") step = 1;
    if (event.key === "k" || inside && event.key === "ArrowUp") step = -1;
    if (inside && event.key === "PageDown") step = 10;
    if (inside && event.key === "PageUp") step = -10;
    if (inside && event.key === "Home") step = -found.length;
    if (inside && event.key === "End") step = found.length;
    if (step === null || !found.length) return;
    event.preventDefault();
    choose(Math.min(Math.max(chosen + step, 0), found.length - 1));
  }
  function browse() {
    var waiting = 0;
    at("find").addEventListener("input", function () {
      clearTimeout(waiting);
      waiting = setTimeout(search, 120);
    });
    ["kind", "tag", "order"].forEach(function (id) { at(id).addEventListener("change", search); });
    if (at("who")) at("who").addEventListener("change", function () { versus = Number(at("who").value); tags(); search(); });
    at("further").addEventListener("click", more);
    at("list").addEventListener("click", function (event) {
      var item = event.target.closest("li");
      if (item) choose(Number(item.dataset.at));
    });
    document.addEventListener("keydown", keys);
    tags();
    search();
  }

  // ---------------------------------------------------------------------------------------------------------- frontier

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  }
  function three(value) {
    return Number(value.toPrecision(3));
  }
  function money(value) {
    return "$" + (Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en-US") : three(value));
  }
  function time(value) {
    return value >= 1 ? three(value) + " s" : three(value * 1000) + " ms";
  }
  function axis(extra) {
    return Object.assign({
      axisLine: { show: true, lineStyle: { color: colour("line") } }, axisTick: { show: false },
      splitLine: { lineStyle: { color: colour("line") } }, nameLocation: "middle",
      nameTextStyle: { color: colour("muted"), fontSize: 12, fontFamily: FONT },
    }, extra, { axisLabel: Object.assign({ color: colour("muted"), fontSize: 12, fontFamily: FONT, hideOverlap: true }, extra.axisLabel) });
  }
  function frontier(field, format, name, narrow) {
    var points = data.points.map(function (point, row) { return Object.assign({ rank: row + 1 }, point); })
      .filter(function (point) { return point[field] !== null; });
    var log = points.every(function (point) { return point[field] > 0; }), stems = [];
    points.forEach(function (point) { stems.push([point[field], point.low * 100], [point[field], point.high * 100], [point[field], "-"]); });
    return {
      animation: false, textStyle: { fontFamily: FONT, fontSize: 13, color: colour("ink") },
      grid: { left: 52, right: 24, top: 16, bottom: 46 },
      tooltip: {
        renderMode: "richText", confine: true, backgroundColor: colour("card"), borderColor: colour("line"),
        textStyle: { color: colour("ink"), fontFamily: FONT, fontSize: 13, lineHeight: 19 },
        formatter: function (item) {
          var point = points[item.dataIndex];
          return [clean(point.name).replace(/[{}|]/g, " "), "gap " + signed(point.gap) + " points (" + signed(point.low) + " to " + signed(point.high) + ")",
            (point.per_thousand === null ? "cost unknown" : money(point.per_thousand) + " per 1,000"),
            (point.seconds === null ? "time unknown" : "median " + time(point.seconds))].join("\n");
        },
      },
      xAxis: axis({ type: log ? "log" : "value", name: name + (log ? " (log scale)" : ""), nameGap: 28, scale: log, axisLabel: { formatter: format } }),
      yAxis: axis({ type: "value", scale: true, name: narrow ? "" : "gap in points", nameGap: 36, axisLabel: { formatter: function (value) { return signed(value / 100); } } }),
      series: [
        {
          type: "line", data: stems, symbol: "none", silent: true, tooltip: { show: false }, lineStyle: { color: colour("muted"), width: 1.5 },
          markLine: {
            silent: true, symbol: "none", animation: false, label: { show: false }, lineStyle: { color: colour("muted"), type: [4, 4], width: 1 },
            data: [{ yAxis: 0 }, { yAxis: -100 * data.margin }],
          },
        },
        {
          type: "scatter", z: 5, symbolSize: 22,
          data: points.map(function (point) {
            var best = !point.beaten_by;
            return {
              value: [point[field], point.gap * 100],
              itemStyle: { color: best ? colour("right") : colour("card"), borderColor: best ? colour("card") : colour("muted"), borderWidth: 2, opacity: 1 },
              label: { show: true, formatter: String(point.rank), color: best ? colour("card") : colour("muted"), fontSize: 12, fontWeight: 700, fontFamily: FONT },
            };
          }),
        },
      ],
    };
  }
  var PLOTS = {
    cost: function (narrow) { return frontier("per_thousand", money, "dollars per 1,000 answers", narrow); },
    time: function (narrow) { return frontier("seconds", time, "median time of an answer", narrow); },
  };
  var charts = [];
  function redraw(width) {
    charts.forEach(function (entry) {
      var wide = width || entry.box.clientWidth;
      entry.chart.resize({ width: wide, height: entry.box.clientHeight });
      entry.chart.setOption(PLOTS[entry.name](wide < 400), true);
    });
  }
  if (typeof echarts !== "undefined") {
    Array.prototype.forEach.call(document.querySelectorAll("[data-chart]"), function (box) {
      charts.push({ box: box, name: box.dataset.chart, chart: echarts.init(box, null, { renderer: "canvas", width: box.clientWidth, height: box.clientHeight }) });
    });
    redraw();
    var waiting = 0;
    window.addEventListener("resize", function () {
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(function () { redraw(); });
    });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () { redraw(); });
  }
  window.addEventListener("beforeprint", function () {
    document.documentElement.setAttribute("data-print", "");
    redraw(320);
  });
  window.addEventListener("afterprint", function () {
    document.documentElement.removeAttribute("data-print");
    redraw();
  });
  if (at("list")) browse();
  document.documentElement.setAttribute("data-drawn", String(charts.length));
})();
