// Draws the figures of the report from the plan embedded in the page. Text from the plan only ever becomes canvas text
// or textContent, never markup.
(function () {
  "use strict";
  var plan = JSON.parse(document.getElementById("plan").textContent);
  var view = JSON.parse(document.getElementById("view").textContent);
  plan.curves.forEach(function (curve) {
    curve.points = curve.points.map(function (p) { return [p.requests_per_day, p.p10, p.p50, p.p90]; });
  });
  var KINDS = { api: "API", hosted: "Hosted open weights", self: "Self-hosted", hybrid: "Hybrid" };
  var DASH = { api: "solid", hosted: [10, 4], self: "solid", hybrid: [3, 3] };
  var LINES = ["tokens", "compute", "power", "people", "operations", "overflow"];
  var FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif';
  var ROW = 46;
  var charts = [];
  var pen = document.createElement("canvas").getContext("2d");

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  }
  function option(id) {
    return plan.options.find(function (row) { return row.id === id; });
  }
  // Braces are rich-text markup of the charting library.
  function clean(text) {
    return String(text).replace(/[{}|]/g, " ").replace(/[\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g, "");
  }
  function three(value) {
    return Number(value.toPrecision(3));
  }
  function usd(value) {
    if (value === null || !isFinite(value)) return "–";
    var sign = value < 0 ? "−" : "", size = Math.abs(value);
    if (size >= 1e9) return sign + "$" + three(size / 1e9) + "B";
    if (size >= 100) return sign + "$" + Math.round(size).toLocaleString("en-US");
    if (size >= 0.01) return sign + "$" + size.toFixed(2);
    return sign + "$" + three(size);
  }
  function rough(value) {
    return value !== null && Math.abs(value) >= 100 ? usd(three(value)) : usd(value);
  }
  function short(value, unit) {
    var sign = value < 0 ? "−" : "", size = Math.abs(value), steps = [[1e9, "B"], [1e6, "M"], [1e3, "k"]];
    for (var i = 0; i < steps.length; i += 1) {
      if (size >= steps[i][0] * 0.9995) return sign + unit + three(size / steps[i][0]) + steps[i][1];
    }
    return sign + unit + three(size);
  }
  function seconds(value) {
    if (value >= 0.9995) return (value >= 9.95 ? Math.round(value).toLocaleString("en-US") : Number(value.toFixed(1))) + " s";
    return three(value * 1000) + " ms";
  }
  function perDay(value) {
    return (value >= 1e6 ? three(value / 1e6) + " million" : three(value).toLocaleString("en-US")) + "/day";
  }
  function log(value) {
    return Math.log10(Math.max(value, 1e-12));
  }

  function base(narrow) {
    return {
      animation: false,
      textStyle: { fontFamily: FONT, fontSize: 13, color: colour("ink") },
      tooltip: {
        renderMode: "richText", confine: true, backgroundColor: colour("card"), borderColor: colour("line"),
        textStyle: { color: colour("ink"), fontFamily: FONT, fontSize: 13, lineHeight: 19 },
      },
      grid: { left: narrow ? 52 : 64, right: narrow ? 14 : 28, top: 20, bottom: 48, containLabel: false },
    };
  }
  function axis(extra) {
    return Object.assign({
      axisLine: { show: true, lineStyle: { color: colour("line") } }, axisTick: { show: false },
      axisLabel: { color: colour("muted"), fontSize: 12, fontFamily: FONT, hideOverlap: true },
      splitLine: { lineStyle: { color: colour("line") } },
      nameTextStyle: { color: colour("muted"), fontSize: 12, fontFamily: FONT }, nameLocation: "middle",
    }, extra);
  }
  function logAxis(low, high, format, extra) {
    var made = axis(Object.assign({ type: "value", min: low, max: high }, extra)), decades = [];
    for (var decade = Math.ceil(low - 1e-9); decade <= high + 1e-9; decade += 1) decades.push(decade);
    made.axisTick = { show: false, customValues: decades };
    made.axisLabel = Object.assign({}, made.axisLabel, {
      customValues: decades, formatter: function (value) { return format(Math.pow(10, value)); },
    });
    return made;
  }
  function half(value, round) {
    return round(value * 2) / 2;
  }
  function boxed(position, text, tint, distance) {
    return {
      show: true, position: position, distance: distance || 9, formatter: clean(text), color: colour("ink"), fontSize: 12,
      fontWeight: 600, fontFamily: FONT, backgroundColor: colour("card"), borderColor: tint, borderWidth: 1, borderRadius: 4,
      padding: [4, 7],
    };
  }
  // The text, cut with an ellipsis to a width in pixels.
  function fitted(text, width) {
    pen.font = "13px " + FONT;
    if (pen.measureText(text).width <= width) return text;
    var kept = Array.from(text);
    while (kept.length > 1 && pen.measureText(kept.join("") + "…").width > width) kept.pop();
    return kept.join("").trimEnd() + "…";
  }
  // Rows of bars with their titles above them: long names stay readable on a phone.
  function rowsAxis(titles, width) {
    return {
      type: "category", inverse: true, data: titles.map(function (_, row) { return String(row); }),
      axisLine: { show: false }, axisTick: { show: false }, splitLine: { show: false },
      axisLabel: {
        inside: true, align: "left", verticalAlign: "bottom", margin: 0, padding: [0, 0, 8, 0], interval: 0,
        formatter: function (row) { return "{title|" + fitted(clean(titles[Number(row)]), width) + "}"; },
        rich: { title: { color: colour("ink"), fontSize: 13, fontFamily: FONT, backgroundColor: colour("card"), padding: [1, 5, 1, 0] } },
      },
      z: 10,
    };
  }
  function rowsHeight(count) {
    return count * ROW + 56;
  }
  function rowsGrid() {
    return { left: 8, right: 22, top: 14, bottom: 34, containLabel: false };
  }

  function crossings(curves) {
    var found = [];
    curves.forEach(function (own) {
      if (own.kind !== "self" && own.kind !== "hybrid") return;
      curves.forEach(function (api) {
        if (api.kind !== "api" && api.kind !== "hosted") return;
        var count = Math.min(own.points.length, api.points.length);
        for (var i = 1; i < count; i += 1) {
          var before = log(own.points[i - 1][2]) - log(api.points[i - 1][2]);
          var after = log(own.points[i][2]) - log(api.points[i][2]);
          if (before * after < 0) {
            var part = before / (before - after);
            var x = log(api.points[i - 1][0]) + part * (log(api.points[i][0]) - log(api.points[i - 1][0]));
            var y = log(api.points[i - 1][2]) + part * (log(api.points[i][2]) - log(api.points[i - 1][2]));
            found.push({ x: x, y: y, own: own.kind, api: api.kind, below: after < 0 });
          }
        }
      });
    });
    return found.sort(function (a, b) { return a.x - b.x; });
  }
  function named(kind) {
    var at = plan.curves.findIndex(function (curve) { return curve.kind === kind; });
    return view.curves[at].replace(/^today: /, "");
  }
  // Rings that would cover each other become one that bears all their numbers.
  function rings(found, near) {
    var made = [];
    found.slice(0, 9).forEach(function (cross, row) {
      var last = made[made.length - 1];
      if (last && Math.hypot((cross.x - last.x) * near.x, (cross.y - last.y) * near.y) < 20) last.label += "·" + (row + 1);
      else made.push({ x: cross.x, y: cross.y, label: String(row + 1) });
    });
    return made;
  }
  // How far to the side a ring must move so that no dot covers it.
  function aside(ring, dots, near) {
    var half = 12 + 4 * ring.label.length, moved = 0;
    dots.forEach(function (spot) {
      var dx = (ring.x - spot.value[0]) * near.x, dy = (ring.y - spot.value[1]) * near.y;
      if (Math.abs(dy) < 18 && Math.abs(dx) < half + 4) moved = (dx < 0 ? -1 : 1) * (half + 4 - Math.abs(dx));
    });
    return moved;
  }
  function listCrossings(found) {
    var list = document.getElementById("crossings");
    list.textContent = "";
    found.slice(0, 9).forEach(function (cross) {
      var item = document.createElement("li");
      var winner = cross.below ? cross.own : cross.api, loser = cross.below ? cross.api : cross.own;
      item.textContent = "above about " + perDay(Math.pow(10, cross.x)) + ": " + named(winner) + " costs less than " + named(loser);
      list.appendChild(item);
    });
  }
  function bandSeries(curve) {
    var tint = colour(curve.kind), stack = "band-" + curve.kind;
    var quiet = { type: "line", symbol: "none", silent: true, stack: stack, stackStrategy: "all", lineStyle: { opacity: 0 }, tooltip: { show: false } };
    return [
      Object.assign({}, quiet, { data: curve.points.map(function (p) { return [log(p[0]), log(p[1])]; }) }),
      Object.assign({}, quiet, {
        data: curve.points.map(function (p) { return [log(p[0]), log(p[3]) - log(p[1])]; }),
        areaStyle: { color: tint, opacity: 0.16 },
      }),
      {
        type: "line", name: KINDS[curve.kind], symbol: "none", z: 4,
        lineStyle: { color: tint, width: 2.5, type: DASH[curve.kind] }, itemStyle: { color: tint },
        data: curve.points.map(function (p) { return [log(p[0]), log(p[2])]; }),
      },
    ];
  }
  function dot(x, y, tint, label) {
    return { value: [x, y], itemStyle: { color: tint, borderColor: colour("card"), borderWidth: 2, opacity: 1 }, symbolSize: 15, label: label };
  }
  function volume(narrow, width) {
    var made = base(narrow), curves = plan.curves, here = log(plan.workload.requests_per_day);
    var xs = [], ys = [];
    curves.forEach(function (curve) {
      curve.points.forEach(function (p) { xs.push(log(p[0])); ys.push(log(Math.max(p[1], 1e-4)), log(Math.max(p[3], 1e-4))); });
    });
    var today = option(plan.today), chosen = option(plan.verdict.option), dots = [], right = here > (Math.min.apply(null, xs) + Math.max.apply(null, xs)) / 2;
    if (today) dots.push(dot(here, log(today.usd_month), colour("ink"), boxed("top", (chosen === today ? "today, recommended " : "today ") + usd(today.usd_month), colour("ink"))));
    if (chosen && chosen !== today) {
      dots.push(dot(here, log(chosen.usd_month), colour(chosen.kind), boxed("bottom", "recommended " + usd(chosen.usd_month), colour(chosen.kind))));
    }
    var found = crossings(curves);
    listCrossings(found);
    made.grid.top = 26;
    made.xAxis = logAxis(Math.min.apply(null, xs), Math.max.apply(null, xs), function (v) { return short(v, ""); },
      { name: "requests a day", nameGap: 28 });
    made.yAxis = logAxis(half(Math.min.apply(null, ys), Math.floor), half(Math.max.apply(null, ys), Math.ceil), function (v) { return short(v, "$"); },
      { name: narrow ? "" : "dollars a month", nameGap: 50 });
    made.tooltip = Object.assign(made.tooltip, {
      trigger: "axis", axisPointer: { type: "line", lineStyle: { color: colour("muted") } },
      formatter: function (items) {
        var at = items[0].axisValue, rows = [perDay(Math.pow(10, at))];
        curves.forEach(function (curve) {
          var p = curve.points.reduce(function (best, point) { return Math.abs(log(point[0]) - at) < Math.abs(log(best[0]) - at) ? point : best; });
          rows.push(clean(named(curve.kind)) + ": " + rough(p[2]) + "  (" + rough(p[1]) + "–" + rough(p[3]) + ")");
        });
        return rows.join("\n");
      },
    });
    var scale = { x: (width - 90) / (made.xAxis.max - made.xAxis.min), y: 340 / (made.yAxis.max - made.yAxis.min) };
    made.series = [].concat.apply([], curves.map(bandSeries)).concat([
      {
        type: "scatter", z: 6, silent: true, tooltip: { show: false }, symbolSize: 17,
        itemStyle: { color: colour("card"), borderColor: colour("ink"), borderWidth: 1.5, opacity: 1 },
        data: rings(found, scale).map(function (ring) {
          return {
            value: [ring.x, ring.y], symbolOffset: [aside(ring, dots, scale), 0], symbol: ring.label.length > 1 ? "roundRect" : "circle", symbolSize: [9 + 8 * ring.label.length, 17],
            label: { show: true, formatter: ring.label, color: colour("ink"), fontSize: 11, fontWeight: 600 },
          };
        }),
      },
      {
        type: "scatter", z: 8, silent: true, tooltip: { show: false }, data: dots,
        markLine: {
          silent: true, symbol: "none", animation: false, lineStyle: { color: colour("muted"), type: [4, 4], width: 1 },
          label: { formatter: "your volume: " + (plan.workload.requests_per_day >= 100 ? Math.round(plan.workload.requests_per_day) : three(plan.workload.requests_per_day)).toLocaleString("en-US") + "/day", position: "end", distance: 6, color: colour("muted"), fontSize: 12, align: right ? "right" : "left" },
          data: [{ xAxis: here }],
        },
      },
    ]);
    return { option: made };
  }

  function flags(row) {
    return (row.id === plan.today ? " · today" : "") + (row.demoted_by.length ? " · demoted" : "") + (row.calibrated ? "" : " · extrapolated");
  }
  function ranked(narrow, width) {
    var rows = view.ranked.map(function (pair) { return { rank: pair[0], option: option(pair[1]) }; });
    var titles = rows.map(function (row) { return row.rank + "  " + usd(row.option.usd_month) + "   " + row.option.title + flags(row.option); });
    var made = base(narrow), ends = { type: "scatter", symbol: "rect", silent: true, z: 6, tooltip: { show: false }, itemStyle: { color: colour("ink"), opacity: 1 } };
    var stems = [];
    rows.forEach(function (row, at) { stems.push([row.option.usd_band.p10, at], [row.option.usd_band.p90, at], ["-", at]); });
    made.grid = rowsGrid();
    var over = rows.some(function (row) { return row.option.usd_band.p90 > view.full; });
    made.xAxis = axis({ type: "value", min: 0, max: over ? view.full * 1.02 : null });
    made.xAxis.axisLabel.formatter = function (value) { return short(value, "$"); };
    made.xAxis.axisLabel.showMaxLabel = !over;
    made.yAxis = rowsAxis(titles, width - 40);
    made.tooltip.formatter = function (item) {
      var row = rows[item.dataIndex].option, band = row.usd_band;
      return [clean(row.title), KINDS[row.kind] + ": " + usd(row.usd_month) + " a month",
        "P10 / P50 / P90: " + [band.p10, band.p50, band.p90].map(rough).join(" / "),
        "cheapest in " + Math.round(row.p_cheapest * 100) + " % of draws"].join("\n");
    };
    made.series = [
      {
        type: "bar", barWidth: 12, data: rows.map(function (row) {
          var beyond = row.option.usd_month > view.full;
          return {
            value: beyond ? view.full * 1.02 : row.option.usd_month,
            itemStyle: { color: colour(row.option.kind), borderRadius: [0, 3, 3, 0] },
            label: { show: beyond, position: "insideRight", formatter: "›", color: colour("card"), fontSize: 16, fontWeight: 700 },
          };
        }),
      },
      { type: "line", data: stems, symbol: "none", silent: true, z: 5, lineStyle: { color: colour("ink"), width: 1.5 }, tooltip: { show: false } },
      Object.assign({ symbolSize: [2, 11], data: rows.map(function (row, at) { return [row.option.usd_band.p10, at]; }) }, ends),
      Object.assign({ symbolSize: [2, 11], data: rows.map(function (row, at) { return [row.option.usd_band.p90, at]; }) }, ends),
      Object.assign({}, ends, { symbol: "circle", symbolSize: 6, data: rows.map(function (row, at) { return [row.option.usd_band.p50, at]; }) }),
    ];
    return { option: made, height: rowsHeight(rows.length) };
  }

  function replicas(narrow) {
    var curve = plan.replica_curve, made = base(narrow), points = curve.points;
    var best = points.findIndex(function (p) { return p.replicas === curve.best; });
    function total(p) { return p.own_usd_month + p.overflow_usd_month; }
    made.grid.top = 44;
    made.xAxis = axis({ type: "category", data: points.map(function (p) { return String(p.replicas); }), name: "own replicas", nameGap: 28, splitLine: { show: false } });
    made.yAxis = axis({ type: "value", min: 0, name: narrow ? "" : "dollars a month", nameGap: 50 });
    made.yAxis.axisLabel.formatter = function (value) { return short(value, "$"); };
    made.tooltip = Object.assign(made.tooltip, {
      trigger: "axis", axisPointer: { type: "shadow" },
      formatter: function (items) {
        var p = points[items[0].dataIndex];
        return [p.replicas + " replicas: " + rough(total(p)) + " a month", "own machines " + rough(p.own_usd_month),
          "overflow " + rough(p.overflow_usd_month) + " (" + Number((p.overflow_share * 100).toFixed(1)) + " % of requests)",
          "own machines busy " + Math.round(p.utilisation * 100) + " %"].join("\n");
      },
    });
    made.series = [
      { type: "bar", name: "own", stack: "cost", barMaxWidth: 42, itemStyle: { color: colour("compute") }, data: points.map(function (p) { return p.own_usd_month; }) },
      { type: "bar", name: "overflow", stack: "cost", itemStyle: { color: colour("overflow") }, data: points.map(function (p) { return p.overflow_usd_month; }) },
      {
        type: "line", name: "total", data: points.map(total), symbol: "circle", symbolSize: 7, z: 5,
        lineStyle: { color: colour("ink"), width: 1.5 }, itemStyle: { color: colour("ink") },
      },
    ];
    if (best >= 0) {
      var place = (best + 0.5) / points.length;
      made.series[2].markLine = {
        silent: true, symbol: "none", animation: false, lineStyle: { color: colour("good"), type: [4, 4], width: 1.5 },
        data: [{ xAxis: best }],
        label: Object.assign(boxed("end", "cheapest: " + curve.best + (curve.best === 1 ? " replica, " : " replicas, ") + rough(total(points[best])), colour("good"), 6),
          { align: place < 0.3 ? "left" : place > 0.7 ? "right" : "center" }),
      };
    }
    return { option: made };
  }

  function latency(narrow) {
    var chosen = option(view.latency), made = base(narrow), xs = [];
    var lines = [["ttft", "time to first token", colour("api")], ["itl", "between tokens", colour("hosted")], ["e2e", "end to end", colour("hybrid")]];
    var tints = {};
    lines.forEach(function (line) {
      tints[line[0]] = line[2];
      chosen.peak[line[0]].values.forEach(function (value) { if (value > 0) xs.push(log(value)); });
    });
    tints.tpot = tints.itl;
    var marks = chosen.slo.map(function (check) {
      var parts = /^([a-z0-9]+)_p([0-9.]+)/.exec(check.label) || ["", "ttft", "50"];
      xs.push(log(check.limit_s));
      return { tint: tints[parts[1]] || colour("ink"), share: Number(parts[2]), at: log(check.limit_s), check: check };
    });
    made.grid.top = 24;
    made.xAxis = logAxis(Math.floor(Math.min.apply(null, xs)), Math.ceil(Math.max.apply(null, xs) - 0.02), seconds, { name: "time (log scale)", nameGap: 28 });
    made.yAxis = axis({ type: "value", min: 0, max: 100, name: narrow ? "" : "share of requests (tokens)", nameGap: 46 });
    made.yAxis.axisLabel.formatter = "{value} %";
    made.tooltip.formatter = function (item) {
      return clean(item.seriesName) + "\n" + Number(item.value[1].toFixed(2)) + " % within " + seconds(Math.pow(10, item.value[0]));
    };
    made.series = lines.map(function (line, row) {
      var curve = chosen.peak[line[0]];
      return {
        type: "line", name: line[1], symbol: "circle", symbolSize: 7, showSymbol: false, lineStyle: { color: line[2], width: 2.5, type: ["solid", [10, 4], [3, 3]][row] }, itemStyle: { color: line[2] },
        data: curve.shares.map(function (share, at) { return [log(curve.values[at]), share * 100]; }).filter(function (p) { return p[0] > -9; }),
      };
    }).concat([{
      type: "scatter", silent: true, tooltip: { show: false }, z: 7,
      data: marks.map(function (mark) { return { value: [mark.at, mark.share], symbol: "rect", symbolSize: 10, itemStyle: { color: mark.tint, borderColor: colour("card"), borderWidth: 1.5, opacity: 1 } }; }),
      markLine: {
        silent: true, symbol: "none", animation: false,
        data: marks.map(function (mark) {
          var word = mark.check.met === null ? "" : mark.check.met ? " · met" : " · missed";
          return { xAxis: mark.at, lineStyle: { color: mark.tint, type: [4, 4], width: 1.5 }, label: { formatter: clean(mark.check.label + word), position: "insideMiddleBottom", color: mark.tint, fontSize: 12, fontWeight: 600 } };
        }),
      },
    }]);
    return { option: made };
  }

  function tco(narrow, width) {
    var rows = view.tco.map(option), made = base(narrow);
    var titles = rows.map(function (row) { return (row.id === plan.today ? "Today: " : KINDS[row.kind] + ": ") + row.title; });
    made.grid = rowsGrid();
    made.xAxis = axis({ type: "value", min: 0 });
    made.xAxis.axisLabel.formatter = function (value) { return short(value, "$"); };
    made.yAxis = rowsAxis(titles, width - 40);
    made.tooltip.formatter = function (item) {
      var row = rows[item.dataIndex], parts = [clean(row.title) + ": " + usd(row.usd_month) + " a month"];
      row.lines.forEach(function (line) { parts.push(clean(line.name) + ": " + usd(line.usd_month)); });
      return parts.join("\n");
    };
    made.series = LINES.map(function (kind) {
      return {
        type: "bar", stack: "bill", barWidth: 14, name: kind, itemStyle: { color: colour(kind) },
        data: rows.map(function (row) {
          return row.lines.reduce(function (sum, line) { return line.kind === kind ? sum + line.usd_month : sum; }, 0);
        }),
      };
    });
    return { option: made, height: rowsHeight(rows.length) };
  }

  function tornado(narrow, width) {
    var bars = plan.tornado.slice(0, 10), made = base(narrow), spans = [];
    var titles = view.tornado.slice(0, bars.length);
    bars.forEach(function (bar, at) { spans.push([bar.at_low_usd, at], [bar.at_high_usd, at], ["-", at]); });
    made.grid = rowsGrid();
    made.xAxis = axis({ type: "value", scale: true });
    made.xAxis.axisLabel.formatter = function (value) { return short(value, "$"); };
    made.yAxis = rowsAxis(titles, width - 40);
    made.tooltip.formatter = function (item) {
      var bar = bars[item.value[1]];
      return [clean(bar.name), clean(bar.low_label) + ": saving " + rough(bar.at_low_usd), clean(bar.high_label) + ": saving " + rough(bar.at_high_usd)].join("\n");
    };
    made.series = [
      {
        type: "line", data: spans, symbol: "none", silent: true, lineStyle: { color: colour("muted"), width: 8, opacity: 0.55 },
        markLine: { silent: true, symbol: "none", animation: false, label: { show: false }, lineStyle: { color: colour("ink"), width: 1, type: "solid" }, data: [{ xAxis: 0 }] },
      },
      { type: "scatter", z: 5, symbolSize: 12, itemStyle: { color: colour("card"), borderColor: colour("ink"), borderWidth: 2, opacity: 1 }, data: bars.map(function (bar, at) { return [bar.at_low_usd, at]; }) },
      { type: "scatter", z: 6, symbolSize: 12, itemStyle: { color: colour("ink"), opacity: 1 }, data: bars.map(function (bar, at) { return [bar.at_high_usd, at]; }) },
    ];
    return { option: made, height: rowsHeight(bars.length) };
  }

  var DRAW = { volume: volume, ranked: ranked, replicas: replicas, latency: latency, tco: tco, tornado: tornado };

  function draw(entry, width) {
    var wide = width || entry.box.clientWidth;
    var made = DRAW[entry.name](wide < 560, wide);
    if (made.height) entry.box.style.height = made.height + "px";
    entry.chart.resize({ width: wide, height: made.height || entry.box.clientHeight });
    entry.chart.setOption(made.option, true);
  }
  function redraw(width) {
    charts.forEach(function (entry) { draw(entry, width); });
  }
  Array.prototype.forEach.call(document.querySelectorAll("[data-chart]"), function (box) {
    var entry = { box: box, name: box.dataset.chart, chart: echarts.init(box, null, { renderer: "canvas", width: box.clientWidth, height: box.clientHeight || 300 }) };
    charts.push(entry);
    draw(entry);
  });
  var waiting = 0;
  window.addEventListener("resize", function () {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(function () { redraw(); });
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () { redraw(); });
  window.addEventListener("beforeprint", function () {
    document.documentElement.setAttribute("data-print", "");
    redraw(660);
  });
  window.addEventListener("afterprint", function () {
    document.documentElement.removeAttribute("data-print");
    redraw();
  });
  document.documentElement.setAttribute("data-drawn", String(charts.length));
})();
